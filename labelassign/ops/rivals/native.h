// Two networks' candidates over one matching, and the answer from a choice between them.
#pragma once
#include "../paa/native.h"

namespace LA_SET {
namespace {

int32_t rivals(const RivalArguments& a, int threads, Memory& memory) {
  const int64_t lists = a.objects.rows * a.levels, choices = lists * a.topk;
  auto* none = memory.take<float>(1);
  if (memory.failed) return kNoMemory;
  const CandidateArguments first = {
      a.priors, a.objects, a.network, a.topk, 0, 1, a.pos_iou, a.claims, a.claims_take, a.shared, a.cost,
      a.prior, a.costs, a.iou, none, a.count, a.mean, a.variance, a.reason, a.refused, a.levels, a.sizes};
  CandidateArguments second = first;
  second.network = a.other, second.cost.scores_are = a.other_scores_are;
  second.prior += choices, second.costs += choices, second.iou += choices;
  second.count += lists, second.mean += lists, second.variance += lists, second.refused += a.objects.images;
  return candidates(first, threads, memory, nullptr, &second, a.chooser);
}

int32_t award(const AwardArguments& a, int threads, Memory& memory) {
  const Objects& o = a.objects;
  const Answer& out = a.answer;
  const int64_t n = a.priors.count, lists = o.rows * a.levels, width = a.levels * a.topk, choices = o.rows * width;
  if (!sound(o)) return kBadIndex;
  auto* prior = memory.take<int64_t>(choices);
  auto* cost = memory.take<float>(choices);
  auto* state = memory.take<int8_t>(choices);
  const Completion done(a.priors, o, out, memory);
  if (memory.failed) return kNoMemory;
  for (int64_t i = 0; i < lists; i++) {
    const int64_t from = (a.chosen[i] ? lists + i : i) * a.topk;
    for (int64_t k = 0; k < a.topk; k++) {
      const int64_t at = i * a.topk + k;
      prior[at] = a.prior[from + k], cost[at] = a.cost[from + k];
      if (prior[at] >= n) return kBadIndex;
    }
  }
  constexpr int64_t kPortion = 4 * kChunk;
  const int64_t total = o.images * n;
  spread(workers(threads, (double)total), (total + kPortion - 1) / kPortion, [&](int64_t t, int) {
    done.nobody(t * kPortion, (t + 1) * kPortion < total ? (t + 1) * kPortion : total);
  });
  const SettleArguments decide = {o.rows, width, cost, a.fit, a.separation, state, a.steps, a.converged};
  const ResolveArguments given = {o.rows, width, o.images, n, prior, state, cost, a.given, o.offsets,
                                  out.index, out.quality, out.reason};
  return finish(decide, given, done, threads, memory);
}

}  // namespace
}  // namespace LA_SET
