#include "probe/response.h"

#include <algorithm>
#include <array>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

#include "common/units.h"

namespace monitor::probe {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;
using common::Outcome;

namespace {
// A server's announcement alone reserves no more than this.
constexpr std::uint64_t kMaxReserve = std::uint64_t{64} << 10;
}  // namespace

/// Beast's parser without its containers: of the fields only what is needed is kept, and the body goes where it is
/// wanted.
class ResponseReader::Message final : public http::basic_parser<false> {
 public:
  explicit Message(ResponseReader& owner) : owner_(owner) {
    header_limit(kMaxHeaderBytes);
    body_limit(boost::none);
    eager(true);
    skip(owner.wanted_.head);
  }
  int code() const { return code_; }

 private:
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}

  void on_response_impl(int code, string_view, int, error_code& error) override {
    code_ = code;
    if (code < 100) error = http::error::bad_status;
  }

  void on_field_impl(http::field name, string_view, string_view value, error_code&) override {
    // After the header there are only trailers, which change nothing (RFC 9110 §6.5.1).
    if (name == http::field::content_type && !owner_.status_) owner_.content_type_ = std::string(value);
  }

  void on_header_impl(error_code&) override {
    if (code_ >= 200) owner_.status_ = static_cast<std::uint16_t>(code_);
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
    if (!length) return;
    owner_.announced_ = *length;
    if (owner_.wanted_.body)
      owner_.body_.reserve(std::min({*length, std::uint64_t{owner_.wanted_.body_limit}, kMaxReserve}));
  }

  std::size_t on_body_impl(string_view piece, error_code& error) override {
    const auto room = owner_.wanted_.body_limit - owner_.body_bytes_;
    const auto taken = std::min<std::uint64_t>(room, piece.size());
    owner_.body_bytes_ += taken;
    if (owner_.wanted_.body) owner_.body_.append(piece.data(), taken);
    if (taken < piece.size()) {
      owner_.capped_ = true;
      error = http::error::body_limit;
    }
    return piece.size();
  }

  void on_chunk_header_impl(std::uint64_t, string_view extensions, error_code& error) override {
    owner_.extension_bytes_ += extensions.size();
    if (owner_.extension_bytes_ > kMaxExtensionBytes) error = http::error::header_limit;
  }

  std::size_t on_chunk_body_impl(std::uint64_t, string_view piece, error_code& error) override {
    return on_body_impl(piece, error);
  }

  void on_finish_impl(error_code&) override {}

  ResponseReader& owner_;
  int code_ = 0;
};

ResponseReader::ResponseReader(const Wanted& wanted) : wanted_(wanted), message_(std::make_unique<Message>(*this)) {}

ResponseReader::~ResponseReader() = default;

ResponseReader::State ResponseReader::feed(std::string_view bytes) {
  started_ = true;
  if (rest_.empty()) {
    view_ = bytes;
    const auto state = parse();
    if (state == State::kMore) rest_ = view_;
    return state;
  }
  rest_.append(bytes);
  view_ = rest_;
  const auto state = parse();
  rest_.erase(0, rest_.size() - view_.size());
  return state;
}

ResponseReader::State ResponseReader::parse() {
  while (!view_.empty()) {
    const bool in_header = !message_->is_header_done();
    if (in_header && header_bytes_ == 0 && !begins_like_http()) return refuse_beginning();
    // Beast 1.81 asserts that the last chunk's line is never fed alone with one byte of what follows it; the shortest
    // end of a chunked body is 5 bytes.
    constexpr std::size_t kShortestChunkedEnd = 5;
    if (!in_header && message_->chunked() && view_.size() < kShortestChunkedEnd) return State::kMore;

    error_code error;
    const auto taken = message_->put({view_.data(), view_.size()}, error);
    view_.remove_prefix(taken);
    if (!message_->is_header_done()) header_bytes_ += taken;
    if (capped_) return State::kComplete;
    if (error && error != http::error::need_more) return explain(error);
    if (message_->is_done()) {
      if (status_) return State::kComplete;
      if (next_message() == State::kFailed) return State::kFailed;
      continue;
    }
    // Beast 1.81 limits what it has not parsed yet, not the header as a whole.
    const auto pending = view_.size() + (message_->is_header_done() ? 0 : header_bytes_);
    if (pending > kMaxHeaderBytes) return explain(http::error::header_limit);
    if (error == http::error::need_more) return State::kMore;
  }
  return State::kMore;
}

ResponseReader::State ResponseReader::next_message() {
  if (message_->code() == 101) {  // RFC 9110 §15.2.2: only for who asked for it
    return fail(Outcome::kMalformedResponse, "the server switched protocols (status 101) without having been asked to");
  }
  if (++interim_ > kMaxInterimResponses) {
    return fail(Outcome::kHeaderLimit,
                fmt::format("more than {} interim (1xx) responses came before a final one", kMaxInterimResponses));
  }
  message_ = std::make_unique<Message>(*this);
  header_bytes_ = 0;
  content_type_.clear();
  return State::kMore;
}

ResponseReader::State ResponseReader::end(bool clean) {
  if (!status_) {
    // Beast waits for CR LF (RFC 9112 §2.2) until the end.
    if (rest_.find('\n') != std::string::npos && rest_.find("\r\n") == std::string::npos) {
      return fail(Outcome::kMalformedResponse, "the response is not HTTP/1.x: its lines end without a carriage return");
    }
    return fail(Outcome::kTruncated,
                interim_ > 0 && rest_.empty()
                    ? fmt::format("the connection ended after {} interim (1xx) responses", interim_)
                    : "the connection ended inside the response header");
  }
  if (!message_->need_eof()) return fail(Outcome::kTruncated, "the connection ended after " + progress());
  if (!clean) {
    return fail(Outcome::kTruncated,
                "the connection ended after " + progress() + " without TLS's close_notify, so more may be missing");
  }
  return State::kComplete;
}

bool ResponseReader::begins_like_http() const {
  constexpr std::string_view kBegin = "HTTP/";
  const auto length = std::min(kBegin.size(), view_.size());
  return view_.substr(0, length) == kBegin.substr(0, length);
}

ResponseReader::State ResponseReader::refuse_beginning() {
  constexpr char kTlsAlert = 0x15, kTlsHandshake = 0x16;  // RFC 8446 §5.1
  if (view_.front() == kTlsAlert || view_.front() == kTlsHandshake) {
    return fail(Outcome::kMalformedResponse, "the answer is TLS, not HTTP: the URL may have to begin with https://");
  }
  return fail(Outcome::kMalformedResponse, "the answer does not begin with an HTTP/1.x status line");
}

ResponseReader::State ResponseReader::explain(const error_code& error) {
  if (error == http::error::header_limit) {
    if (extension_bytes_ > kMaxExtensionBytes) {
      return fail(Outcome::kHeaderLimit, fmt::format("the chunk extensions of the response are larger than {}",
                                                     common::format_size(kMaxExtensionBytes)));
    }
    return fail(Outcome::kHeaderLimit,
                fmt::format("the response {} is larger than {}", status_ ? "trailer or a chunk header" : "header",
                            common::format_size(kMaxHeaderBytes)));
  }
  return fail(Outcome::kMalformedResponse, fmt::format("the response is not HTTP/1.x: {}", error.message()));
}

ResponseReader::State ResponseReader::fail(Outcome outcome, std::string reason) {
  failure_ = {outcome, std::move(reason)};
  return State::kFailed;
}

std::string ResponseReader::progress() const {
  if (announced_) return fmt::format("{} of {} bytes of the body", body_bytes_, *announced_);
  return fmt::format("{} bytes of the body", body_bytes_);
}

}  // namespace monitor::probe
