// From candidate costs to their state: sort, fit, classify, separate.
#pragma once
#include "native.h"

namespace LA_SET {
namespace {

enum Scheme : int64_t { kAll, kPrefixIgnore, kPrefix, kHighIgnore };  // (a), (b), (c), (d)

LA_INLINE bool before(float a, float b) { return a < b || (b != b && a == a); }  // a NaN comes last

// Places in ascending order of cost, equal ones as they stand: insertion for short runs, then merging.
LA_INLINE void sort_places(const float* cost, int64_t n, int32_t* place, int32_t* other) {
  constexpr int64_t kShort = 16;
  for (int64_t i = 0; i < n; i++) {
    int64_t k = i;
    for (; k % kShort && before(cost[i], cost[place[k - 1]]); k--) place[k] = place[k - 1];
    place[k] = (int32_t)i;
  }
  for (int64_t run = kShort; run < n; run *= 2) {
    for (int64_t from = 0; from < n; from += 2 * run) {
      const int64_t mid = from + run < n ? from + run : n, to = mid + run < n ? mid + run : n;
      int64_t a = from, b = mid;
      for (int64_t k = from; k < to; k++)
        other[k] = b < to && (a == mid || before(cost[place[b]], cost[place[a]])) ? place[b++] : place[a++];
    }
    std::memcpy(place, other, (size_t)n * sizeof *place);
  }
}

// Scores closer than this are equal; separate.py says why.
constexpr double kTie = 1e-9;

// Place of the highest score among the members, the first on ties; the last place where there is no member.
LA_INLINE int64_t peak(const int8_t* component, int8_t member, const double* score, int64_t count, int64_t width) {
  int64_t best = -1;
  for (int64_t i = 0; i < count; i++)
    if (component[i] == member && (best < 0 || score[i] > score[best])) best = i;
  if (best < 0) return width - 1;
  const double size = __builtin_fabs(score[best]), least_score = score[best] - kTie * (size > 1 ? size : 1);
  for (int64_t i = 0; i < best; i++)
    if (component[i] == member && score[i] >= least_score) return i;
  return best;
}

LA_INLINE void separate(const Separation& rule, const float* cost, int64_t count, int64_t width,
                        const int8_t* component, const double* score, int8_t* state) {
  bool any_low = false;
  for (int64_t i = 0; i < count; i++) any_low |= component[i] == 0;
  const bool prefix = rule.scheme == kPrefixIgnore || rule.scheme == kPrefix;
  const int64_t top = peak(component, prefix ? 0 : 1, score, count, width);
  for (int64_t i = 0; i < width; i++) {
    const bool inside = i < count && component[i] >= 0, low = inside && component[i] == 0;
    bool positive = low, ignored = false;
    if (prefix) {
      positive = i <= top && (rule.interleaved ? inside : low);
      ignored = rule.scheme == kPrefixIgnore && low && i > top;
    } else if (rule.scheme == kHighIgnore) {
      ignored = inside && component[i] == 1 && cost[i] <= cost[top];
    }
    if (!any_low) positive = inside && !rule.empty_none;
    if (count == 1) positive = inside && !rule.drop_single;  // last: it decides whichever component holds the sample
    state[i] = (int8_t)(positive - (ignored && any_low));
  }
}

int32_t settle(const SettleArguments& a, int threads, Memory& memory) {
  const int64_t w = a.width;
  const Rows rows(memory, w, threads);
  auto* sorted = memory.take<float>(w * threads);
  auto* places = memory.take<int32_t>(2 * w * threads);
  auto* scores = memory.take<double>(w * threads);
  auto* labels = memory.take<int8_t>(2 * w * threads);
  if (memory.failed) return kNoMemory;
  spread(workers(threads, 60.0 * (double)(a.rows * w)), (a.rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t t, int worker) {
    float* cost = sorted + w * worker;
    int32_t* place = places + 2 * w * worker;
    double* score = scores + w * worker;
    int8_t *component = labels + 2 * w * worker, *state = component + w;
    for (int64_t i = t * kRowsPerTask; i < (t + 1) * kRowsPerTask && i < a.rows; i++) {
      const float* given = a.costs + i * w;
      sort_places(given, w, place, place + w);
      int64_t count = 0;
      for (int64_t k = 0; k < w; k++) cost[k] = given[place[k]], count += finite(cost[k]);
      Row r = rows.at(worker);
      read_row(r, cost, count, a.fit.normalize != 0);
      const Fitted f = fit(r, a.fit);
      classify(r, f.g, component, score);
      separate(a.separation, cost, count, w, component, score, state);
      for (int64_t k = 0; k < w; k++) a.state[i * w + place[k]] = state[k];
      a.steps[i] = f.steps, a.converged[i] = f.converged;
    }
  });
  return kDone;
}

}  // namespace
}  // namespace LA_SET
