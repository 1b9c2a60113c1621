// The certificates of the system, read where memory is short.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <optional>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include "net/tls_context.h"

namespace monitor::net {
namespace {

// With a sanitizer a process needs terabytes of addresses.
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)

int certificates(const TrustStore& store) {
  return sk_X509_OBJECT_num(X509_STORE_get0_objects(store.get()));
}

/// `above` more than are in use now.
void limit_addresses(rlim_t above) {
  long pages = 0;
  auto* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%ld", &pages) != 1) ::_exit(99);
  std::fclose(file);
  const auto bytes = static_cast<rlim_t>(pages * ::sysconf(_SC_PAGESIZE)) + above;
  const rlimit limit{bytes, bytes};
  ::setrlimit(RLIMIT_AS, &limit);
}

constexpr int kNone = 254;
constexpr int kOther = 255;

/// How many there are in a process of its own, which has what it needs of memory or `above`.
int read_with(std::optional<rlim_t> above) {
  const auto child = ::fork();
  if (child == 0) {
    if (above) limit_addresses(*above);
    int came = kOther;
    try {
      came = certificates(load_trust({}));
    } catch (const std::bad_alloc&) {
      came = kNone;
    } catch (...) {
    }
    ::_exit(came);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kOther;
}

TEST(TrustStore, IsWholeOrThereIsNone) {
  constexpr const char* kFile = "/etc/ssl/certs/ca-certificates.crt";
  if (!std::filesystem::exists(kFile)) GTEST_SKIP() << "there is no " << kFile;
  ::setenv("SSL_CERT_FILE", kFile, 1);
  const int all = read_with(std::nullopt);
  ASSERT_GT(all, 10);
  int none = 0;
  for (rlim_t kibibytes = 0; kibibytes <= 4096; kibibytes += 128) {
    const auto came = read_with(kibibytes << 10);
    EXPECT_TRUE(came == all || came == kNone) << came << " of " << all << " with " << kibibytes << " KiB";
    if (came == kNone) ++none;
  }
  ::unsetenv("SSL_CERT_FILE");
  EXPECT_GT(none, 0) << "memory was never short";
}

#endif

}  // namespace
}  // namespace monitor::net
