#include "support/compress.h"

#include <stdexcept>
#include <zlib.h>

namespace monitor::test {

std::string compressed(std::string_view text, Format format) {
  constexpr int kWindow = 15, kGzip = 16, kMemory = 8;
  const int bits = format == Format::kGzip ? kWindow + kGzip : format == Format::kZlib ? kWindow : -kWindow;
  z_stream stream{};
  if (::deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, bits, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string out(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("deflate");
  return out;
}

}  // namespace monitor::test
