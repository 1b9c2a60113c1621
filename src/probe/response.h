// Reads one HTTP/1.x response (RFC 9112) from the pieces in which it arrives, within fixed limits. Does no I/O.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/system/error_code.hpp>

#include "common/outcome.h"

namespace monitor::probe {

/// Bytes of a response header, or of one chunk header or the trailers: real Content-Security-Policy fields need more
/// than 8 KiB, nothing honest needs more than this.
inline constexpr std::size_t kMaxHeaderBytes = std::size_t{64} << 10;
/// Interim (1xx) responses before the final one.
inline constexpr int kMaxInterimResponses = 16;
/// Bytes of chunk extensions in one response.
inline constexpr std::size_t kMaxExtensionBytes = std::size_t{16} << 10;

class ResponseReader {
 public:
  struct Wanted {
    bool head = false;           ///< the request was HEAD: a length announces no body (RFC 9110 §9.3.2)
    bool body = false;           ///< keep the body's bytes; otherwise they are only counted
    std::size_t body_limit = 0;  /// bytes of the body after which reading ends
  };
  struct Failure {
    common::Outcome outcome;
    std::string reason;  ///< a sentence without the server's name
  };
  enum class State { kMore, kComplete, kFailed };

  explicit ResponseReader(const Wanted& wanted);
  ~ResponseReader();
  ResponseReader(const ResponseReader&) = delete;
  ResponseReader& operator=(const ResponseReader&) = delete;

  /// Takes what has arrived. Not to be called again once it has returned kComplete or kFailed.
  State feed(std::string_view bytes);
  /// The server has ended its side. `clean` says whether that can be trusted to be the end (Step::clean_end).
  State end(bool clean);

  bool started() const { return started_; }                        ///< at least one byte has come
  std::optional<std::uint16_t> status() const { return status_; }  ///< once the final header is complete
  const std::string& content_type() const { return content_type_; }
  const std::string& body() const { return body_; }
  /// The body is the caller's now, and gone from here; body_bytes() stays.
  std::string take_body() { return std::move(body_); }
  std::uint64_t body_bytes() const { return body_bytes_; }
  bool capped() const { return capped_; }
  /// What was wrong, after kFailed.
  const Failure& failure() const { return failure_; }
  /// `12 of 100 bytes of the body`, `3 bytes of the body`: how far it came.
  std::string progress() const;

 private:
  class Message;

  State parse();
  State next_message();
  State explain(const boost::system::error_code& error);
  State fail(common::Outcome outcome, std::string reason);
  State refuse_beginning();
  bool begins_like_http() const;

  Wanted wanted_;
  std::unique_ptr<Message> message_;
  std::string rest_;       ///< what has arrived and could not be parsed yet
  std::string_view view_;  ///< what is to be parsed: a piece just fed, or `rest_`
  int interim_ = 0;
  bool started_ = false;
  bool capped_ = false;
  std::optional<std::uint16_t> status_;
  std::string content_type_;
  std::string body_;
  std::uint64_t body_bytes_ = 0;
  std::optional<std::uint64_t> announced_;
  std::size_t header_bytes_ = 0;  ///< of the message being read that are parsed already
  std::size_t extension_bytes_ = 0;
  Failure failure_{};
};

}  // namespace monitor::probe
