#include "probe/response.h"

#include <algorithm>
#include <limits>
#include <variant>

#include <fmt/format.h>

#include "common/units.h"
#include "probe/http_lines.h"
#include "probe/redirect.h"

namespace monitor::probe {

using common::Outcome;

namespace {

// A server's announcement alone reserves no more than this.
constexpr std::uint64_t kMaxReserve = std::uint64_t{64} << 10;
constexpr std::uint64_t kMaxLength = std::numeric_limits<std::int64_t>::max();
// No server sends a chunk of 2 GiB; one that says so has its sign bit wrong.
constexpr std::uint64_t kMaxChunk = std::numeric_limits<std::int32_t>::max();

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// Those whose Retry-After speaks of the next request (RFC 6585 §4, RFC 9110 §15.6.4).
bool asks_for_patience(int code) {
  constexpr int kTooManyRequests = 429, kServiceUnavailable = 503;
  return code == kTooManyRequests || code == kServiceUnavailable;
}

void append_value(std::string& to, std::string_view value, std::string_view separator) {
  if (!to.empty()) to += separator;
  to += value;
}

}  // namespace

ResponseReader::State ResponseReader::feed(std::string_view bytes) {
  started_ = true;
  const bool buffered = !rest_.empty();
  if (buffered) rest_.append(bytes);
  view_ = buffered ? std::string_view(rest_) : bytes;
  const auto state = parse();
  if (state == State::kComplete) surplus_ = !view_.empty();
  if (buffered) {
    rest_.erase(0, rest_.size() - view_.size());
  } else {
    rest_ = view_;
  }
  return state;
}

ResponseReader::State ResponseReader::parse() {
  while (part_ < Part::kDone) {
    if (!step() && part_ < Part::kDone) return State::kMore;
  }
  return part_ == Part::kDone ? State::kComplete : State::kFailed;
}

/// False: more bytes are needed, or it has failed.
bool ResponseReader::step() {
  if (part_ == Part::kLengthBody || part_ == Part::kEndBody || part_ == Part::kChunkData) {
    if (view_.empty()) return false;
    take_data();
    return true;
  }
  const auto line = next_line();
  if (line) take_line(*line);
  return line.has_value();
}

std::optional<std::string_view> ResponseReader::next_line() {
  if (view_.empty()) return std::nullopt;
  refuse_beginning();
  if (part_ == Part::kFailed) return std::nullopt;
  const auto newline = view_.find('\n', sound_);
  const bool ended = newline != std::string_view::npos;
  const auto bytes = ended ? newline + 1 : view_.size();
  if (!fits(bytes) || !is_line_sound(view_.substr(0, ended ? newline : bytes), ended)) return std::nullopt;
  if (!ended) return std::nullopt;
  const auto line = view_.substr(0, newline - 1);
  if (part_ == Part::kStatusLine || part_ == Part::kFields) {
    header_bytes_ += bytes;
    keep_header(view_.substr(0, bytes), header_);
  }
  view_.remove_prefix(bytes);
  sound_ = 0;
  return line;
}

/// `line` is all before the LF, or all that has come; of control characters only a CR at its end is sound.
bool ResponseReader::is_line_sound(std::string_view line, bool ended) {
  if (ended && !line.ends_with('\r')) {
    refuse("a line ends without a carriage return");
    return false;
  }
  const auto fresh = line.substr(std::min(sound_, line.size()));
  const auto bad = std::ranges::find_if(fresh, is_control);
  const bool only_at_end = bad == fresh.end() || (*bad == '\r' && bad + 1 == fresh.end());
  if (!only_at_end) refuse("it holds a control character");
  sound_ = line.ends_with('\r') ? line.size() - 1 : line.size();
  return only_at_end;
}

/// Whether the line at the front, `bytes` of it so far, is within its limit.
bool ResponseReader::fits(std::size_t bytes) {
  if (part_ == Part::kChunkLine || part_ == Part::kChunkEnd) {
    constexpr std::size_t kMostSizeBytes = 20;
    if (extension_bytes_ + bytes <= kMaxExtensionBytes + kMostSizeBytes) return true;
    fail(Outcome::kHeaderLimit, fmt::format("the chunk extensions of the response are larger than {}",
                                            common::format_size(kMaxExtensionBytes)));
    return false;
  }
  const bool trailer = part_ == Part::kTrailers;
  const auto& had = trailer ? trailer_bytes_ : header_bytes_;
  if (had + bytes <= kMaxHeaderBytes) return true;
  fail(Outcome::kHeaderLimit, fmt::format("the response {} is larger than {}", trailer ? "trailer" : "header",
                                          common::format_size(kMaxHeaderBytes)));
  return false;
}

void ResponseReader::take_line(std::string_view line) {
  switch (part_) {
    case Part::kStatusLine:
      return take_status(line);
    case Part::kFields:
      return line.empty() ? end_header() : take_field(line);
    case Part::kChunkLine:
      return take_chunk_line(line);
    case Part::kChunkEnd:
      if (!line.empty()) return refuse("a chunk is longer than its size says");
      part_ = Part::kChunkLine;
      return;
    default:
      return take_trailer(line);
  }
}

void ResponseReader::take_status(std::string_view line) {
  const auto parsed = parse_status_line(line);
  if (const auto* fault = std::get_if<LineFault>(&parsed)) return refuse(fault->what);
  const auto& status = std::get<StatusLine>(parsed);
  code_ = status.status;
  http_1_0_ = status.http_1_0;
  part_ = Part::kFields;
}

void ResponseReader::take_field(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return take_fold(line);
  const auto parsed = parse_field(line);
  if (const auto* fault = std::get_if<LineFault>(&parsed)) return refuse(fault->what);
  if (++fields_ > kMaxHeaderFields) {
    return fail(Outcome::kHeaderLimit, fmt::format("the response has more than {} header fields", kMaxHeaderFields));
  }
  const auto& [name, value] = std::get<FieldView>(parsed);
  last_ = nullptr;
  framing_field_ = false;
  take_known_field(name, value);
  const auto wanted = [&](const std::string& one) { return same_text(one, name); };
  if (code_ < 200 || std::ranges::none_of(wanted_.fields, wanted)) return;
  kept_.push_back({std::string(name), std::string(value)});
  last_ = &kept_.back().value;
}

void ResponseReader::take_fold(std::string_view line) {
  if (fields_ == 0) return refuse("the first header field begins with a blank");
  if (framing_field_) return refuse("a header field about the length of the body is folded");
  if (last_ != nullptr) append_value(*last_, trimmed(line), " ");
}

void ResponseReader::take_known_field(std::string_view name, std::string_view value) {
  if (same_text(name, "Content-Length")) return take_length(value);
  if (same_text(name, "Transfer-Encoding")) return take_coding(value);
  if (same_text(name, "Connection")) closing_ = closing_ || has_token(value, "close");
  if (code_ < 200) return;
  if (same_text(name, "Content-Type")) {
    content_type_ = value;
    last_ = &content_type_;
  } else if (same_text(name, "Content-Encoding")) {
    append_value(content_encoding_, value, ", ");
    last_ = &content_encoding_;
  } else if (same_text(name, "Location") && !location_) {
    location_ = value;
    last_ = &*location_;
  } else if (asks_for_patience(code_) && same_text(name, "Retry-After") && !retry_after_) {
    retry_after_ = value;
    last_ = &*retry_after_;
  }
}

void ResponseReader::take_length(std::string_view value) {
  framing_field_ = true;
  const auto length = parse_content_length(value);
  if (!length || (length_ && *length_ != *length)) return refuse("its Content-Length is not one number");
  if (*length > kMaxLength) {
    return fail(Outcome::kHeaderLimit, "the response announces a body of 2^63 bytes or more");
  }
  length_ = length;
}

void ResponseReader::take_coding(std::string_view value) {
  framing_field_ = true;
  if (chunked_ || !same_text(value, "chunked")) return refuse("its Transfer-Encoding is not `chunked` alone");
  chunked_ = true;
}

void ResponseReader::end_header() {
  if (chunked_ && length_) return refuse("it has both a Content-Length and a Transfer-Encoding");
  if (code_ >= 200) return begin_body();
  if (code_ == 101) {  // RFC 9110 §15.2.2: only for who asked for it
    return fail(Outcome::kMalformedResponse, "the server switched protocols (status 101) without having been asked to");
  }
  if (++interim_ > kMaxInterimResponses) {
    return fail(Outcome::kHeaderLimit,
                fmt::format("more than {} interim (1xx) responses came before a final one", kMaxInterimResponses));
  }
  part_ = Part::kStatusLine;
  fields_ = 0;
  chunked_ = closing_ = false;
  length_.reset();
  header_.clear();
}

/// RFC 9112 §6.3.
void ResponseReader::begin_body() {
  constexpr int kNoContent = 204, kNotModified = 304;
  status_ = static_cast<std::uint16_t>(code_);
  if (wanted_.redirects && is_redirect(*status_)) {
    wanted_.body = false;
    wanted_.body_limit = std::min(wanted_.body_limit, kMaxRedirectBody);
  }
  if (wanted_.head || code_ == kNoContent || code_ == kNotModified) {
    part_ = Part::kDone;
  } else if (chunked_) {
    part_ = Part::kChunkLine;
  } else if (!length_) {
    part_ = Part::kEndBody;
  } else {
    left_ = *length_;
    part_ = left_ == 0 ? Part::kDone : Part::kLengthBody;
    const std::uint64_t kept = wanted_.body ? wanted_.body_limit : wanted_.excerpt;
    body_.reserve(std::min({left_, kept, kMaxReserve}));
  }
}

void ResponseReader::take_chunk_line(std::string_view line) {
  const auto chunk = parse_chunk_line(line);
  if (!chunk || chunk->size > kMaxChunk)
    return refuse("the size of a chunk is not a hexadecimal number below 80000000");
  extension_bytes_ += chunk->extensions.size();
  left_ = chunk->size;
  part_ = left_ == 0 ? Part::kTrailers : Part::kChunkData;
  fields_ = 0;
}

void ResponseReader::take_trailer(std::string_view line) {
  if (line.empty()) {
    part_ = Part::kDone;
    return;
  }
  trailer_bytes_ += line.size() + 2;
  if (++fields_ > kMaxHeaderFields) {
    fail(Outcome::kHeaderLimit, fmt::format("the trailer of the response has more than {} fields", kMaxHeaderFields));
  }
}

void ResponseReader::take_data() {
  const bool endless = part_ == Part::kEndBody;
  const auto here = endless ? view_.size() : std::min<std::uint64_t>(left_, view_.size());
  const auto taken = std::min<std::uint64_t>(here, wanted_.body_limit - body_bytes_);
  keep(view_.substr(0, taken));
  view_.remove_prefix(taken);
  if (!endless) left_ -= taken;
  // At the limit what is still to come, or has come already, tells whether something is cut off.
  capped_ = endless ? taken < here : body_bytes_ == wanted_.body_limit && left_ > 0;
  if (capped_) {
    part_ = Part::kDone;
  } else if (!endless && left_ == 0) {
    part_ = part_ == Part::kChunkData ? Part::kChunkEnd : Part::kDone;
  }
}

void ResponseReader::keep(std::string_view piece) {
  body_bytes_ += piece.size();
  if (wanted_.body) {
    body_ += piece;
  } else if (body_.size() < wanted_.excerpt) {
    body_ += piece.substr(0, wanted_.excerpt - body_.size());
  }
}

ResponseReader::State ResponseReader::end(bool clean) {
  if (!status_) {
    fail(Outcome::kTruncated, interim_ > 0 && rest_.empty()
                                  ? fmt::format("the connection ended after {} interim (1xx) responses", interim_)
                                  : "the connection ended inside the response header");
    return State::kFailed;
  }
  if (part_ == Part::kEndBody && clean) {
    part_ = Part::kDone;
    return State::kComplete;
  }
  fail(Outcome::kTruncated,
       fmt::format("the connection ended after {}{}", progress(),
                   part_ == Part::kEndBody ? " without TLS's close_notify, so more may be missing" : ""));
  return State::kFailed;
}

bool ResponseReader::reusable() const {
  const bool framed = wanted_.head || *status_ == 204 || *status_ == 304 || chunked_ || length_;
  return framed && !capped_ && !surplus_ && !closing_ && !http_1_0_;
}

void ResponseReader::keep_header(std::string_view piece, std::string& to) const {
  constexpr std::size_t kUsual = 512;
  if (to.empty()) to.reserve(std::min(wanted_.header, kUsual));
  to += piece.substr(0, wanted_.header - std::min(wanted_.header, to.size()));
}

std::string ResponseReader::header() const {
  auto out = header_;
  if (!status_) keep_header(rest_, out);
  return out;
}

/// What can be seen to be wrong before the line at the front has ended: a server may never end it.
void ResponseReader::refuse_beginning() {
  constexpr std::string_view kBegin = "HTTP/";
  constexpr char kTlsAlert = 0x15, kTlsHandshake = 0x16;  // RFC 8446 §5.1
  const char first = view_.front();
  if (part_ == Part::kStatusLine && !kBegin.starts_with(view_.substr(0, kBegin.size()))) {
    const bool tls = first == kTlsAlert || first == kTlsHandshake;
    fail(Outcome::kMalformedResponse, tls ? "the answer is TLS, not HTTP: the URL may have to begin with https://"
                                          : "the answer does not begin with an HTTP/1.x status line");
  } else if (part_ == Part::kChunkEnd && first != '\r') {
    refuse("a chunk is longer than its size says");
  } else if (part_ == Part::kChunkLine && !is_hex(first)) {
    refuse("the size of a chunk is missing");
  }
}

void ResponseReader::refuse(std::string_view what) {
  fail(Outcome::kMalformedResponse, fmt::format("the response is not HTTP/1.x: {}", what));
}

void ResponseReader::fail(Outcome outcome, std::string reason) {
  part_ = Part::kFailed;
  failure_ = {outcome, std::move(reason)};
}

std::string ResponseReader::progress() const {
  if (length_) return fmt::format("{} of {} bytes of the body", body_bytes_, *length_);
  return fmt::format("{} bytes of the body", body_bytes_);
}

}  // namespace monitor::probe
