// Candidates of every object: who may choose which prior, what that costs, and the cheapest of every level.
#pragma once
#include "../complete/native.h"
#include "../native/shortlist.h"
#include "focal.h"

namespace LA_SET {
namespace {

// A number of every kind for each pair of an object and a prior.
struct Costs {
  double* box;
  float* bound;     // of the cost from below; infinity for what never takes part
  float* iou;
  float* cost;      // infinity where it is not known yet
  LA_INLINE bool take(Memory& memory, int64_t pairs) {
    pairs += kFloats;  // whole registers are read
    box = memory.take<double>(pairs), bound = memory.take<float>(pairs);
    iou = memory.take<float>(pairs), cost = memory.take<float>(pairs);
    return !memory.failed;
  }
};
// What a worker writes on.
struct Desk {
  float* row;       // scores of one prior
  float* kept;      // [topk] cheapest costs
  int32_t* place;   // [topk] and whose they are
  int32_t* prior;   // shared: what one object may choose
  Costs costs;
};

// Who may choose which prior, the same under every network.
struct Choosers {
  Matcher m;
  int32_t* image;      // [rows]
  int32_t* chosen;     // [images, priors], chunk by chunk: priors that somebody may choose, and who
  int32_t* chooser;
  int64_t* in_chunk;   // [images, chunks]
  int64_t* start;      // [rows + 1]
  int32_t* list;       // priors by row
  int32_t* owner;      // and the row
  int32_t* told;       // [images, priors], the row of each prior, for whoever asks
  Costs costs;         // of that list
  Desk* desk;          // [threads]
};
struct Proposer : Choosers {
  const CandidateArguments& a;
  Coster cost;

  LA_INLINE Proposer(const CandidateArguments& arguments, const Choosers& who)
      : Choosers(who), a(arguments), cost(arguments.network, arguments.cost) {}
};

LA_INLINE bool prepare(Proposer& p, Memory& memory, int threads) {
  const int64_t n = p.a.priors.count, total = p.a.objects.images * n, rows = p.a.objects.rows;
  if (!make_matcher(p.m, p.a.priors, p.a.objects, memory)) return false;
  p.image = memory.take<int32_t>(rows);
  p.chosen = memory.take<int32_t>(total), p.chooser = memory.take<int32_t>(total);
  p.in_chunk = memory.zeros<int64_t>(p.a.objects.images * p.m.chunks);
  p.start = memory.zeros<int64_t>(rows + 2);
  p.list = memory.take<int32_t>(total);
  p.owner = memory.take<int32_t>(total);
  p.desk = memory.take<Desk>(threads);
  if (memory.failed) return false;
  for (int t = 0; t < threads; t++) {
    Desk& d = p.desk[t];
    d.row = memory.take<float>(p.cost.padded);
    d.kept = memory.take<float>(p.a.topk), d.place = memory.take<int32_t>(p.a.topk);
    if (!p.a.shared) continue;
    d.prior = memory.take<int32_t>(n);
    d.costs.take(memory, n);
  }
  if (memory.failed) return false;
  for (int64_t i = 0; i < p.a.objects.images; i++)
    for (int64_t g = begin_of(p.a.objects, i); g < end_of(p.a.objects, i); g++) p.image[g] = (int32_t)i;
  return true;
}

// The one object that may choose each prior of a chunk.
LA_INLINE void own_chunk(const Proposer& p, int64_t image, int64_t chunk) {
  const int64_t n = p.a.priors.count, begin = chunk * kChunk, at = image * n + begin;
  const float enough = (float)p.a.pos_iou;
  int32_t claim[kChunk];
  claim_chunk(p.m, p.a.claims, image, chunk, claim);
  const int64_t count = n - begin < kChunk ? n - begin : kChunk;
  int64_t found = 0;
  for (int64_t i = 0; p.told && i < count; i++) p.told[at + i] = -1;
  for (int64_t from = 0; from < count; from += kFloats) {  // whole registers: memory reaches beyond the last prior
    const I any = at_most(all(enough), load<F>(p.m.iou + at + from)) | (load<I>(claim + from) > all((int32_t)-1));
    for (uint32_t some = lanes(any); some; some &= some - 1) {
      const int64_t i = from + __builtin_ctz(some);
      if (i >= count) break;
      const int32_t argmax = p.m.row[at + i], row = claim[i] >= 0 && p.a.claims_take ? claim[i] : argmax;
      if (row < 0) continue;
      p.chosen[at + found] = (int32_t)(begin + i), p.chooser[at + found++] = row;
      if (p.told) p.told[at + i] = row;
    }
  }
  p.in_chunk[image * p.m.chunks + chunk] = found;
}

// From lists by chunk to lists by object; priors stay in order.
LA_INLINE void by_row(Proposer& p) {
  const int64_t chunks = p.m.chunks, n = p.a.priors.count;
  for (int pass = 0; pass < 2; pass++) {
    for (int64_t t = 0; t < p.a.objects.images * chunks; t++) {
      const int64_t at = t / chunks * n + t % chunks * kChunk;
      for (int64_t i = 0; i < p.in_chunk[t]; i++) {
        const int64_t g = p.chooser[at + i];
        if (pass == 0) p.start[g + 2]++;
        else p.owner[p.start[g + 1]] = (int32_t)g, p.list[p.start[g + 1]++] = p.chosen[at + i];
      }
    }
    for (int64_t g = 0; pass == 0 && g < p.a.objects.rows; g++) p.start[g + 2] += p.start[g + 1];
  }
}

// Every prior that overlaps object g enough, or as much as its best one does.
LA_INLINE int64_t members(const Proposer& p, int64_t g, int32_t* out) {
  if (!p.m.able[g]) return 0;
  const int64_t image = p.image[g], n = p.a.priors.count;
  const float enough = (float)p.a.pos_iou, best = bits_float(p.m.best[g]);
  const bool rescued = p.a.claims.rescue != kOff && (best > 0 || p.a.claims.zero_rescues);
  const bool everywhere = enough <= 0 || (rescued && best == 0);
  int64_t found = 0;
  for (int64_t t = 0; t < p.m.chunks; t++) {
    if (!everywhere && p.m.peak[g * p.m.chunks + t] == 0) continue;
    Chunk c;
    load_chunk(c, p.a.priors, image, t);
    for (int64_t i = 0; i < c.count; i += kFloats) {
      float value[kFloats];
      store(value, overlap(c, (int)i, p.m.box[g]));
      for (int64_t k = 0; k < kFloats && i + k < c.count; k++) {
        const int64_t prior = c.begin + i + k;
        const bool valid = !p.a.priors.valid || p.a.priors.valid[image * n + prior];
        if (valid && (value[k] >= enough || (rescued && value[k] == best))) out[found++] = (int32_t)prior;
      }
    }
  }
  return found;
}

// A first look at the pairs begin..end, of the objects `owner` says or all of object g: what has no part in anything,
// and bounds of costs, or (for `spread`) the costs.
LA_INLINE void look_at(const Proposer& p, const Costs& d, float* row, const int32_t* owner, int64_t g,
                       const int32_t* prior, int64_t begin, int64_t end) {
  for (int64_t from = begin; from < end; from += kFloats) {
    const int count = (int)(end - from < kFloats ? end - from : kFloats);
    int64_t at[kFloats], label[kFloats];
    Box target[kFloats];
    for (int k = 0; k < count; k++) {
      if (owner) g = owner[from + k];
      at[k] = p.image[g] * p.a.priors.count + prior[from + k];
      label[k] = label_in(p.a.network, p.a.cost, p.a.objects.labels[g]);
      target[k] = box_at(p.a.objects.boxes + g * 4);
    }
    Glance seen;
    p.cost.look(seen, at, target, label, count, row);
    float low[kFloats];
    for (int k = 0; k < count; k++) low[k] = (float)seen.box[k];
    store(low, p.cost.low_cost(load<F>(low), load<F>(seen.own)));
    for (int k = 0; k < count; k++) {
      const int64_t i = from + k;
      d.iou[i] = seen.iou[k], d.box[i] = seen.box[k], d.cost[i] = d.bound[i] = kInfinity;
      if (!seen.usable[k]) continue;
      if (seen.bounded[k] && !p.a.spread) d.bound[i] = low[k];
      else d.bound[i] = d.cost[i] = p.cost.finish(at[k], seen.box[k], row, label[k]);
    }
  }
}

// The cheapest of the pairs begin..end of object g; only those get an exact cost that can be among them.
LA_INLINE Shortlist rank_level(const Proposer& p, int64_t g, const Costs& d, const Desk& desk, const int32_t* prior,
                              int64_t begin, int64_t end, int64_t* count) {
  const int64_t label = label_in(p.a.network, p.a.cost, p.a.objects.labels[g]), base = p.image[g] * p.a.priors.count;
  Shortlist seeds = {desk.kept, desk.place, p.a.topk, 0};
  *count = 0;
  for (int64_t i = begin; i < end; i++) {
    if (!(d.bound[i] < kInfinity)) continue;
    ++*count;
    if (seeds.takes(d.bound[i])) seeds.put(d.bound[i], (int32_t)i);
  }
  const auto evaluate = [&](int64_t i) { d.cost[i] = p.cost.finish(base + prior[i], d.box[i], desk.row, label); };
  // first those of lowest bound: the answer lies near them, so they leave little for the rest to undercut
  float worst = seeds.held == seeds.room ? 0.0f : kInfinity;
  for (int64_t k = 0; k < seeds.held; k++) {
    if (!finite(d.cost[desk.place[k]])) evaluate(desk.place[k]);
    worst = most(worst, d.cost[desk.place[k]]);
  }
  Shortlist out = {desk.kept, desk.place, p.a.topk, 0};
  for (int64_t i = begin; i < end; i++) {
    float low = d.bound[i];
    if (low == kInfinity || low > worst || !out.takes(low)) continue;
    if (!finite(d.cost[i])) {
      low += p.cost.low_rest(base + prior[i], label, desk.row);
      if (low > worst || !out.takes(low)) continue;
      evaluate(i);
    }
    if (out.takes(d.cost[i])) out.put(d.cost[i], (int32_t)i);
  }
  return out;
}

LA_INLINE void write_level(const Proposer& p, int64_t g, int64_t level, const Costs& d, const Desk& desk,
                           const int32_t* prior, int64_t begin, int64_t end) {
  const CandidateArguments& a = p.a;
  const int64_t at = g * a.levels + level;
  int64_t count;
  const Shortlist best = rank_level(p, g, d, desk, prior, begin, end, &count);
  for (int64_t k = 0; k < a.topk; k++) {
    const bool held = k < best.held;
    const int64_t i = held ? best.place[k] : 0;
    a.prior[at * a.topk + k] = held ? prior[i] : -1;
    a.costs[at * a.topk + k] = held ? best.key[k] : kInfinity;
    a.iou[at * a.topk + k] = held ? d.iou[i] : 0.0f;
  }
  a.count[at] = count, a.mean[at] = 0, a.variance[at] = 0;
  if (end - begin > count) __atomic_fetch_add(a.refused + p.image[g], end - begin - count, __ATOMIC_RELAXED);
  float* most = a.best_iou + at * a.overlaps;
  for (int64_t k = 0; k < a.overlaps; k++) most[k] = 0.0f;
  for (int64_t i = begin; a.overlaps && i < end; i++) {
    if (d.bound[i] == kInfinity || !(d.iou[i] > most[a.overlaps - 1])) continue;
    int64_t k = a.overlaps - 1;
    for (; k > 0 && most[k - 1] < d.iou[i]; k--) most[k] = most[k - 1];
    most[k] = d.iou[i];
  }
  if (!a.spread || !count) return;
  double total = 0, squares = 0;
  for (int64_t i = begin; i < end; i++)
    if (finite(d.cost[i])) total += d.cost[i];
  const double mean = total / (double)count;
  for (int64_t i = begin; i < end; i++)
    if (finite(d.cost[i])) squares += (d.cost[i] - mean) * (d.cost[i] - mean);
  a.mean[at] = mean, a.variance[at] = count > 1 ? squares / (double)(count - 1) : 0.0;
}

// Object g on levels from..to, its priors and their costs being known.
LA_INLINE void propose(const Proposer& p, int64_t g, int64_t from, int64_t to, const Costs& d, const Desk& desk,
                       const int32_t* prior, int64_t n) {
  int64_t edge = 0, begin = 0;
  for (int64_t level = 0; level < to; level++) {
    edge += p.a.sizes[level];
    int64_t end = begin, far = n;  // the first that lies beyond the level, by halves
    if (level + 1 == p.a.levels) end = n;
    while (end < far && level + 1 < p.a.levels) {
      const int64_t middle = (end + far) / 2;
      if (prior[middle] < edge) end = middle + 1;
      else far = middle;
    }
    if (level >= from) write_level(p, g, level, d, desk, prior, begin, end);
    begin = end;
  }
}

LA_INLINE void explain_row(const Proposer& p, int64_t g, int64_t n) {
  const CandidateArguments& a = p.a;
  const float best = bits_float(p.m.best[g]);
  const bool reached = p.m.first_prior[p.image[g]] >= 0;
  const bool wants = (best > 0 || (a.claims.zero_rescues && reached)) && a.claims.rescue != kOff;
  const bool loser = !a.shared && (best >= (float)a.pos_iou || wants);
  a.reason[g] = n ? kRejected : loser ? kLost : kNoCandidate;
}

// The lists of every row under one network, rows having their priors to themselves.
LA_INLINE void rank_rows(const Proposer& p, int threads) {
  const CandidateArguments& a = p.a;
  // pairs in even portions, whosever they are: one large object may have most of them
  const int64_t pairs = p.start[a.objects.rows];
  constexpr int64_t kPortion = 64;
  spread(workers(threads, (double)pairs * 100), (pairs + kPortion - 1) / kPortion, [&](int64_t t, int worker) {
    const int64_t end = (t + 1) * kPortion < pairs ? (t + 1) * kPortion : pairs;
    look_at(p, p.costs, p.desk[worker].row, p.owner, 0, p.list, t * kPortion, end);
  });
  spread(workers(threads, (double)pairs * 20), a.objects.rows * a.levels, [&](int64_t t, int worker) {
    const int64_t g = t / a.levels, level = t % a.levels, at = p.start[g], n = p.start[g + 1] - at;
    const Costs& c = p.costs;
    const Costs own = {c.box + at, c.bound + at, c.iou + at, c.cost + at};
    if (level == 0) explain_row(p, g, n);
    propose(p, g, level, level + 1, own, p.desk[worker], p.list + at, n);
  });
}
// The same where every object chooses by itself.
LA_INLINE void rank_shared(const Proposer& p, int threads) {
  spread(threads, p.a.objects.rows, [&](int64_t g, int worker) {
    const Desk& desk = p.desk[worker];
    const int64_t n = members(p, g, desk.prior);
    explain_row(p, g, n);
    look_at(p, desk.costs, desk.row, nullptr, g, desk.prior, 0, n);
    propose(p, g, 0, p.a.levels, desk.costs, desk, desk.prior, n);
  });
}

// In an answer that is to be completed, if there is one, all priors are nobody's afterwards: done in the shade of the
// matching, which goes through them anyway. A second network may choose the same priors; `told` hears who may.
int32_t candidates(const CandidateArguments& a, int threads, Memory& memory, const Completion* answer,
                   const CandidateArguments* second = nullptr, int32_t* told = nullptr) {
  Proposer p(a, Choosers{});
  p.told = told;
  if (!sound(a.objects)) return kBadIndex;
  if (!prepare(p, memory, threads)) return kNoMemory;
  const int64_t n = a.priors.count, chunks = p.m.chunks, tasks = a.objects.images * chunks;
  const int few = matching(threads, a.priors, a.objects);
  spread(few, tasks, [&](int64_t t, int) {
    const int64_t at = t / chunks * n, from = t % chunks * kChunk, to = from + kChunk;
    match_chunk(p.m, t / chunks, t % chunks);
    if (answer) answer->nobody(at + from, at + (to < n ? to : n));
  });
  if (!a.shared) {
    spread(few, tasks, [&](int64_t t, int) { own_chunk(p, t / chunks, t % chunks); });
    by_row(p);
    if (!p.costs.take(memory, p.start[a.objects.rows])) return kNoMemory;
  } else if (told) {
    for (int64_t i = 0; i < a.objects.images * n; i++) told[i] = -1;
  }
  const CandidateArguments* const networks[] = {&a, second};
  for (const CandidateArguments* network : networks) {
    if (!network) continue;
    for (int64_t i = 0; i < a.objects.images; i++) network->refused[i] = 0;
    const Proposer ranking(*network, p);
    if (a.shared) rank_shared(ranking, threads);
    else rank_rows(ranking, threads);
  }
  return kDone;
}

}  // namespace
}  // namespace LA_SET
