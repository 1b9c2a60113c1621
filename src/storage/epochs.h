// Which agent id each stored row belongs to. A copied or restored file opens a new epoch, so that no number is ever
// sent twice under one id. Used where the connection is.
#pragma once

#include <string>
#include <vector>

#include "storage/rows.h"
#include "storage/sqlite.h"

namespace monitor::storage {

struct Epoch {
  std::string agent_id;
  Cursor first;  ///< the first number of each kind that belongs to it
  Cursor end;    ///< the first that does not; unbounded in the current epoch
};

class Epochs {
 public:
  explicit Epochs(Database& database);

  const std::vector<Epoch>& all() const { return all_; }
  const Epoch& current() const { return all_.back(); }
  bool empty() const { return all_.empty(); }
  /// Opens an epoch with a new agent id: it begins behind `through`, and not before the current one. Inside the
  /// caller's transaction; reload() if that fails.
  void open(const Cursor& through);
  /// Stores again those of `all` that are not here: all that come after ours. As open().
  void restore(const std::vector<Epoch>& all);
  void reload();

 private:
  Database& database_;
  std::vector<Epoch> all_;
};

}  // namespace monitor::storage
