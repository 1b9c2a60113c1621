// Reads one HTTP/1.x response (RFC 9112) from the pieces in which it arrives, within fixed limits. Does no I/O.
//
// Where the RFC leaves a choice, or servers break it: lines end with CR LF alone, and a bare LF or CR is malformed; a
// folded field line (§5.2) is joined with one space, but not where it is about framing; equal lengths said twice are
// one (§6.3); a transfer coding other than `chunked` alone, or a length beside it, is malformed (§6.1, §6.3); a length
// of 2^63 or more is over the limit; trailers are read and ignored (§7.1.2); control characters are malformed in a
// header.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/outcome.h"
#include "probe/inspect.h"

namespace monitor::probe {

/// Bytes of the header of a response together with those of the interim (1xx) ones before it, or of the trailers: real
/// Content-Security-Policy fields need more than 8 KiB, nothing honest needs more than this.
inline constexpr std::size_t kMaxHeaderBytes = std::size_t{64} << 10;
/// Fields of one header, or of the trailers.
inline constexpr int kMaxHeaderFields = 1000;
/// Interim (1xx) responses before the final one.
inline constexpr int kMaxInterimResponses = 16;
/// Bytes of a redirect's body, when it is followed.
inline constexpr std::size_t kMaxRedirectBody = std::size_t{64} << 10;
/// Bytes of chunk extensions in one response.
inline constexpr std::size_t kMaxExtensionBytes = std::size_t{16} << 10;

class ResponseReader {
 public:
  struct Wanted {
    bool head = false;           ///< the request was HEAD: a length announces no body (RFC 9110 §9.3.2)
    bool body = false;           ///< keep the body's bytes
    std::size_t body_limit = 0;  ///< bytes of the body after which reading ends
    /// Without `body`: so many of its first bytes are kept all the same, the others are only counted.
    std::size_t excerpt = 0;
    std::size_t header = 0;                 ///< bytes of the header, as it came, to keep
    std::span<const std::string> fields{};  ///< names, in lower case, of the fields to keep; must outlive the reader
    bool redirects = false;  ///< of a redirect only the Location counts: its body is read to kMaxRedirectBody
  };
  struct Failure {
    common::Outcome outcome;
    std::string reason;  ///< a sentence without the server's name
  };
  enum class State { kMore, kComplete, kFailed };

  explicit ResponseReader(const Wanted& wanted) : wanted_(wanted) {}
  ResponseReader(const ResponseReader&) = delete;
  ResponseReader& operator=(const ResponseReader&) = delete;

  /// Takes what has arrived. Not to be called again once it has returned kComplete or kFailed.
  State feed(std::string_view bytes);
  /// The server has ended its side. `clean` says whether that can be trusted to be the end (Step::clean_end).
  State end(bool clean);

  bool started() const { return started_; }                        ///< at least one byte has come
  std::optional<std::uint16_t> status() const { return status_; }  ///< once the final header is complete
  bool http_1_0() const { return http_1_0_; }
  const std::string& content_type() const { return content_type_; }
  const std::string& content_encoding() const { return content_encoding_; }  ///< several fields: joined by a comma
  const std::optional<std::string>& location() const { return location_; }   ///< of the first such field
  /// Of the first such field of a 429 or 503, else nothing.
  const std::optional<std::string>& retry_after() const { return retry_after_; }
  /// The wanted fields, one for each line.
  std::vector<FieldLine> take_fields() { return std::move(kept_); }
  /// The beginning of the header as it came; of a response that could not be read, all that came.
  std::string header() const;
  std::size_t header_bytes() const { return header_bytes_; }
  const std::string& body() const { return body_; }
  /// The body is the caller's now, and gone from here; body_bytes() stays.
  std::string take_body() { return std::move(body_); }
  std::uint64_t body_bytes() const { return body_bytes_; }
  bool capped() const { return capped_; }
  /// Whether another request may be sent on the connection (RFC 9112 §9.3): HTTP/1.1, read to an end that its framing
  /// gave, with nothing after it, and the server did not say that it closes. Only after kComplete.
  bool reusable() const;
  bool surplus() const { return surplus_; }  ///< bytes have come after the response
  /// What was wrong, after kFailed.
  const Failure& failure() const { return failure_; }
  /// `12 of 100 bytes of the body`, `3 bytes of the body`: how far it came.
  std::string progress() const;

 private:
  enum class Part {
    kStatusLine,
    kFields,
    kLengthBody,
    kEndBody,
    kChunkLine,
    kChunkData,
    kChunkEnd,
    kTrailers,
    kDone,
    kFailed
  };

  State parse();
  bool step();
  std::optional<std::string_view> next_line();
  bool is_line_sound(std::string_view line, bool ended);
  bool fits(std::size_t bytes);
  void take_line(std::string_view line);
  void take_status(std::string_view line);
  void take_field(std::string_view line);
  void take_fold(std::string_view line);
  void take_known_field(std::string_view name, std::string_view value);
  void take_length(std::string_view value);
  void take_coding(std::string_view value);
  void end_header();
  void begin_body();
  void take_chunk_line(std::string_view line);
  void take_trailer(std::string_view line);
  void take_data();
  void keep(std::string_view piece);
  void keep_header(std::string_view piece, std::string& to) const;
  void refuse_beginning();
  void refuse(std::string_view what);
  void fail(common::Outcome outcome, std::string reason);

  Wanted wanted_;
  std::string rest_;       ///< what has arrived and could not be parsed yet
  std::string_view view_;  ///< what is to be parsed: a piece just fed, or `rest_`
  std::size_t sound_ = 0;  ///< bytes of view_ that were looked at for control characters
  Part part_ = Part::kStatusLine;
  bool started_ = false;

  int code_ = 0;  ///< of the message being read, perhaps an interim one
  int interim_ = 0;
  int fields_ = 0;
  std::size_t header_bytes_ = 0, trailer_bytes_ = 0, extension_bytes_ = 0;
  bool http_1_0_ = false, chunked_ = false, closing_ = false;
  bool framing_field_ = false;           ///< the last field was about framing
  std::string* last_ = nullptr;          ///< the value of the last field, if it is kept
  std::optional<std::uint64_t> length_;  ///< as announced

  std::optional<std::uint16_t> status_;
  std::string content_type_, content_encoding_, header_;
  std::optional<std::string> location_, retry_after_;
  std::vector<FieldLine> kept_;

  std::uint64_t left_ = 0;  ///< bytes of the body, or of the chunk, to come
  std::string body_;
  std::uint64_t body_bytes_ = 0;
  bool capped_ = false;
  bool surplus_ = false;  ///< bytes came after the response
  Failure failure_{};
};

}  // namespace monitor::probe
