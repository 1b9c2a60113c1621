#include "probe/decode.h"

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <zlib.h>

#include <fmt/format.h>

#include "common/text.h"
#include "common/units.h"

namespace monitor::probe {
namespace {

constexpr int kWindow = 15;  // the largest there is
constexpr int kGzip = kWindow + 16, kZlib = kWindow, kBare = -kWindow;
constexpr std::size_t kShownCoding = 40;

std::string lower_trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  std::string out(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

/// RFC 1950 §2.2: the method is 8, and the first two bytes are a multiple of 31.
bool begins_like_zlib(std::string_view encoded) {
  if (encoded.size() < 2) return true;
  const auto first = static_cast<unsigned char>(encoded[0]), second = static_cast<unsigned char>(encoded[1]);
  return (first & 0x0FU) == 8 && (first * 256U + second) % 31 == 0;
}

bool begins_like_gzip(std::string_view encoded) {
  return encoded.starts_with("\x1F\x8B");
}

/// zlib's decoder over one body.
class Inflater {
 public:
  Inflater(std::string_view encoded, int format, std::string_view name, std::size_t limit, bool cut)
      : encoded_(encoded), format_(format), name_(name), limit_(limit), cut_(cut) {
    if (::inflateInit2(&stream_, format) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { ::inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  Decoded run() {
    while (!done_) step();
    return std::move(out_);
  }

 private:
  void step() {
    feed();
    stream_.next_out = piece_.data();
    stream_.avail_out = static_cast<uInt>(piece_.size());
    const auto before = stream_.avail_in;
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    taken_ += before - stream_.avail_in;
    keep(piece_.size() - stream_.avail_out);
    if (done_) return;
    if (result == Z_STREAM_END) {
      end_member();
    } else if (result == Z_BUF_ERROR || (result == Z_OK && taken_ == encoded_.size() && stream_.avail_out != 0)) {
      end_early();
    } else if (result == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (result != Z_OK) {
      refuse(fmt::format("the {} body is broken: {}", name_,
                         result == Z_NEED_DICT ? "it needs a dictionary"
                                               : (stream_.msg != nullptr ? stream_.msg : "it cannot be decoded")));
    }
  }

  void feed() {
    const auto rest = encoded_.substr(taken_);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
    stream_.avail_in = static_cast<uInt>(std::min<std::size_t>(rest.size(), std::numeric_limits<uInt>::max()));
  }

  void keep(std::size_t count) {
    auto& body = out_.body;
    body.append(reinterpret_cast<const char*>(piece_.data()), count);
    if (body.size() > kFreeDecodedBytes && body.size() / kMaxDecodedRatio > taken_) {
      return refuse(fmt::format("the {} body decodes to more than {} times its size: that is no honest content", name_,
                                kMaxDecodedRatio));
    }
    if (body.size() > limit_) {
      body.resize(limit_);
      out_.capped = done_ = true;
    }
  }

  void end_member() {
    if (format_ == kGzip && begins_like_gzip(encoded_.substr(taken_))) {
      ::inflateReset(&stream_);
    } else {
      done_ = true;
    }
  }

  void end_early() {
    if (!cut_) return refuse(fmt::format("the {} body ends before it is complete", name_));
    out_.capped = done_ = true;
  }

  void refuse(std::string sentence) {
    out_.refusal = std::move(sentence);
    done_ = true;
  }

  std::string_view encoded_;
  int format_;
  std::string_view name_;
  std::size_t limit_;
  bool cut_;
  z_stream stream_{};
  std::size_t taken_ = 0;
  bool done_ = false;
  Decoded out_;
  std::array<Bytef, std::size_t{16} << 10> piece_{};
};

Decoded as_it_is(std::string_view encoded, std::size_t limit) {
  return {std::string(encoded.substr(0, limit)), encoded.size() > limit, std::nullopt};
}

}  // namespace

Decoded decode_content(std::string_view encoded, std::string_view content_encoding, std::size_t limit, bool cut) {
  const auto coding = lower_trimmed(content_encoding);
  if (coding.empty() || coding == "identity") return as_it_is(encoded, limit);
  const bool gzip = coding == "gzip" || coding == "x-gzip";
  if (!gzip && coding != "deflate") {
    const auto shown = common::storable(common::escape_controls(coding), kShownCoding);
    return {{},
            false,
            coding.find(',') != std::string::npos
                ? fmt::format("the body is in more than one content coding ({}): only one is undone", shown)
                : fmt::format("the body is in a content coding that was not asked for ({})", shown)};
  }
  if (encoded.empty()) return {};
  const int format = gzip ? kGzip : begins_like_zlib(encoded) ? kZlib : kBare;
  return Inflater(encoded, format, gzip ? "gzip" : "deflate", limit, cut).run();
}

}  // namespace monitor::probe
