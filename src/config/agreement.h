// What the keys of one service must keep together: keys that exclude each other, and rules that could never apply.
// Pure.
#pragma once

#include <optional>

#include "config/faults.h"
#include "config/interpret.h"
#include "config/tree.h"
#include "probe/options.h"

namespace monitor::config {

struct WholeService {
  const Tree& tree;
  Tree::Index map;                ///< the service's mapping
  const probe::Service& service;  ///< with the predecessor's keys filled in
  const Reading& reading;
  std::optional<std::size_t> number;
};

void require_agreement(const WholeService& whole, Faults& faults);

}  // namespace monitor::config
