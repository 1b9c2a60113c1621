// How names are resolved and connections are made, as the configuration says it. Plain data.
#pragma once

namespace monitor::net {

struct Options {
  /// Keep DNS answers for their TTL (`dns_cache: ttl`), or ask for every check (`dns_cache: off`).
  bool dns_cache = true;
};

}  // namespace monitor::net
