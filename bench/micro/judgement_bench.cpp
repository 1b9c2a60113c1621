#include "micro/sample.h"
#include "probe/inspect.h"
#include "probe/judge.h"

namespace monitor::bench {
namespace {

const std::string kBody =
    R"({"status":"ok","service":"bench","uptime":86400,"version":"1.2.3","checks":{"database":"up","queue":"up"}})";

void judge_with(benchmark::State& state, const probe::Service& service) {
  probe::RegexPool regexes;
  const probe::Expectations expectations(probe::Expectations::source_of(service), regexes);
  probe::Received received;
  received.body = kBody;
  received.charset = "utf-8";
  received.body_limit = service.body_limit;
  probe::Phases phases;
  phases.connect = common::Micros{41};
  phases.first_byte = common::Micros{130};
  for (auto _ : state) {
    probe::Facts facts{200, nullptr, phases, common::Micros{190}, nullptr, {}};
    probe::Findings findings;
    if (expectations.needs_body()) {
      findings = probe::inspect(received, expectations);
      facts.findings = &findings;
    }
    const auto judgement = probe::judge(facts, expectations);
    if (judgement.outcome != common::Outcome::kUp) state.SkipWithError("the response was not judged up");
  }
  count_items(state, 1);
}

void judge_status(benchmark::State& state) {
  judge_with(state, probe::Service{});
}
BENCHMARK(judge_status);

void judge_regex(benchmark::State& state) {
  probe::Service service;
  service.check_regex = true;
  service.regex = R"("uptime":[0-9]+)";
  judge_with(state, service);
}
BENCHMARK(judge_regex);

void judge_json_and_regexes(benchmark::State& state) {
  auto spec = std::make_shared<probe::Spec>();
  spec->expect.body = {R"re("database":"(up|idle)")re", R"re("version":"[0-9.]+")re"};
  spec->expect.body_not = {"error"};
  spec->expect.json = {{"/status", probe::JsonRule::Is::kEqual, R"("ok")"},
                       {"/uptime", probe::JsonRule::Is::kAbove, "60"}};
  probe::Service service;
  service.extra = std::move(spec);
  judge_with(state, service);
}
BENCHMARK(judge_json_and_regexes);

}  // namespace
}  // namespace monitor::bench
