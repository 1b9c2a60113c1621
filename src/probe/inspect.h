// What the rules of a service find in the header fields and the body of a response. Pure: runs on any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "probe/expectations.h"
#include "probe/judgement.h"
#include "probe/redaction.h"

namespace monitor::probe {

struct FieldLine {
  std::string name;  ///< any case
  std::string value;
};

/// What is inspected.
struct Received {
  std::vector<FieldLine> fields;  ///< at least those of Expectations::header_names(), as they came
  std::string body;               ///< as it came, at most body_limit
  std::string charset;            ///< as of charset_of()
  std::string coding;             ///< the Content-Encoding to undo; empty: the bytes are taken as they are
  std::size_t body_limit = 0;     ///< bytes of the decoded body
  bool capped = false;            ///< more of the body would have come
  std::size_t excerpt = 0;        ///< bytes of the decoded body that are wanted back, for evidence_text()
  SharedSecrets secrets;          ///< what no sentence may show; may be null
};

struct Findings {
  bool contains_regex = false;  ///< the predecessor's `regex` was asked for and found
  bool capped = false;          ///< only the beginning of the (decoded) body was judged
  Breaches headers, body;
  std::string excerpt;  ///< the beginning of the body as UTF-8
};

/// Bytes that are not UTF-8 are searched as U+FFFD; header fields as UTF-8. A body in a content coding that is broken
/// breaks that one rule (`decode_failure`), and no other is looked at.
Findings inspect(const Received& received, const Expectations& expectations);

}  // namespace monitor::probe
