// Candidates by their centres: the cheapest of every object, all levels together.
//
// Runs of sixteen priors are visited if the box around their centres (or that around what they predict) meets the
// object; a bound in float32 says for whose costs exact ones are worth the while.
#pragma once
#include "../native/shortlist.h"
#include "costs.h"

namespace LA_SET {
namespace {

// What one network says of a run of priors: boxes, and bounds of the classes' cost. Side by side, for whoever comes by.
struct Run16 { float x1[kRunLanes], y1[kRunLanes], x2[kRunLanes], y2[kRunLanes], low[kRunLanes]; };
LA_INLINE Boxes boxes_of(const Run16& r) { return {load<F>(r.x1), load<F>(r.y1), load<F>(r.x2), load<F>(r.y2)}; }
LA_INLINE Box box_of(const Run16& r, int64_t k) { return {r.x1[k], r.y1[k], r.x2[k], r.y2[k]}; }

// What one network says of every prior that somebody may choose.
struct Network16 {
  Judge judge;
  Run16* run;                // [images, runs]
  float* hull;               // [images, 4, runs], around sound predictions of the run
  float* wide;               // [images, 4, folds], of a pack
  float* lowest;             // [images, runs], the least bound of the classes' cost
  float *smallest, *largest;  // [images, runs], areas of sound predictions
  float* of_class;           // [images, slots, line], for alignment: bounds of what the classes of objects cost in a run
  int32_t *slot, *label;     // [rows], [slots]
  int64_t slots, line;
  uint16_t* sound;           // [images, runs], a bit for each prior
  double *total, *shift;     // [images, stride], a NaN until somebody has asked
  float *row, *top;          // [threads, padded]
  LA_INLINE const float* of_class_of(int64_t image, int64_t g) const { return of_class + (image * slots + slot[g]) * line; }
  LA_INLINE Network16(const Voice& v, const Rule& r) : judge(v, r) {}
};

LA_INLINE bool make_network(Network16& n, const Field& f, Memory& memory, int threads) {
  const int64_t images = f.s.objects.images, lanes = images * f.stride;
  n.run = memory.take<Run16>(images * f.runs);
  n.wide = memory.take<float>(images * 4 * f.folds);
  n.hull = memory.take<float>(images * 4 * f.runs);
  n.lowest = memory.take<float>(images * f.runs);
  n.smallest = memory.take<float>(images * f.runs), n.largest = memory.take<float>(images * f.runs);
  n.sound = memory.take<uint16_t>(images * f.runs);
  n.total = memory.take<double>(lanes), n.shift = memory.take<double>(lanes);
  n.row = memory.take<float>(n.judge.padded * threads), n.top = memory.take<float>(n.judge.padded * threads);
  for (int64_t i = 0; i < images && !memory.failed; i++) around_nothing(f, n.wide + i * 4 * f.folds);
  return !memory.failed;
}

LA_INLINE bool tame(const float* v) {
  const F x = load<F>(v);
  return every((all(kWild) > x) & (x > all(-kWild)));
}

LA_INLINE bool make_classes(Network16& n, const Field& f, Memory& memory) {
  const Objects& o = f.s.objects;
  n.slots = 0, n.line = f.runs + kFloats, n.of_class = nullptr;  // lines of one class are not in the same cache set
  if (f.s.rule.kind != kAligned || f.s.rule.scores_are == kSoftmax) return true;
  n.slot = memory.take<int32_t>(o.rows), n.label = memory.take<int32_t>(n.judge.classes);
  auto* seen = memory.take<int32_t>(n.judge.classes);
  if (memory.failed) return false;
  for (int64_t c = 0; c < n.judge.classes; c++) seen[c] = -1;
  for (int64_t g = 0; g < o.rows; g++) {
    int32_t& slot = seen[n.judge.label_in(o.labels[g])];
    if (slot < 0) n.label[n.slots] = (int32_t)n.judge.label_in(o.labels[g]), slot = (int32_t)n.slots++;
    n.slot[g] = slot;
  }
  n.of_class = memory.take<float>(o.images * n.slots * n.line);
  return !memory.failed;
}

LA_INLINE void read_run(const Network16& n, const Field& f, int64_t image, int64_t run, float* row, float* top) {
  const uint32_t pool = f.pool[image * f.runs + run];
  const int64_t at = image * f.runs + run, lane = at * kRunLanes, prior = image * f.n + run * kRunLanes;
  const Judge& judge = n.judge;
  const bool aligned = judge.rule.kind == kAligned;
  uint32_t sound = 0;
  for (int64_t c = 0; aligned && c < judge.padded; c += kFloats) store(top + c, all(judge.nothing()));
  Run16& to = n.run[at];
  float low[kFloats] = {}, size[kFloats];
  store(to.x1, all(0.0f)), store(to.y1, all(0.0f)), store(to.x2, all(0.0f)), store(to.y2, all(0.0f));
  if (judge.rule.kind != kAligned) std::memset(n.total + lane, 0xff, kRunLanes * sizeof(double));  // a NaN
  if (judge.rule.scores_are == kSoftmax) std::memset(n.shift + lane, 0xff, kRunLanes * sizeof(double));
  for (uint32_t some = pool; some; some &= some - 1) {
    const int k = __builtin_ctz(some);
    const float* scores = judge.read(prior + k, row);
    const Box b = predicted(judge.network, prior + k);
    to.x1[k] = b.x1, to.y1[k] = b.y1, to.x2[k] = b.x2, to.y2[k] = b.y2;
    if (!(aligned ? judge.highest(scores, low[k], top) && judge.sound(prior + k) : judge.sound(prior + k, scores))) continue;
    sound |= 1u << k;
    if (!aligned) low[k] = judge.low_classes(scores);
  }
  const Boxes boxes = boxes_of(to);
  if (aligned) store(low, judge.low_aligned(load<F>(low)));
  if (n.of_class && sound) {
    for (int64_t c = 0; c < judge.padded; c += kFloats) store(top + c, judge.low_aligned(load<F>(top + c)));
    float* bound = n.of_class + image * n.slots * n.line + run;
    for (int64_t c = 0; c < n.slots; c++) bound[c * n.line] = top[n.label[c]];
  }
  store(to.low, load<F>(low)), store(size, area(boxes));
  Box hull = {kInfinity, kInfinity, -kInfinity, -kInfinity};
  float lowest = kInfinity, small = kInfinity, large = 0.0f;
  if (sound == 0xffff && tame(to.x1) && tame(to.y1) && tame(to.x2) && tame(to.y2)) {
    hull = {smallest(boxes.x1), smallest(boxes.y1), largest(boxes.x2), largest(boxes.y2)};
    lowest = smallest(load<F>(low)), small = smallest(load<F>(size)), large = largest(load<F>(size));
  } else {
    for (uint32_t some = sound; some; some &= some - 1) {
      const int k = __builtin_ctz(some);
      const Box b = box_of(to, k);
      const auto tame = [](float v) { return __builtin_fabsf(v) < kWild; };
      hull = around(hull, b), small = least(size[k], small), large = most(size[k], large), lowest = least(low[k], lowest);
      if (tame(b.x1) & tame(b.y1) & tame(b.x2) & tame(b.y2)) continue;
      hull = {-kInfinity, -kInfinity, kInfinity, kInfinity}, large = kInfinity;
    }
  }
  float* out = n.hull + image * 4 * f.runs + run;
  out[0] = hull.x1, out[f.runs] = hull.y1, out[2 * f.runs] = hull.x2, out[3 * f.runs] = hull.y2;
  n.lowest[at] = lowest, n.smallest[at] = small, n.largest[at] = large, n.sound[at] = (uint16_t)sound;
}

LA_INLINE double known(const double* at) {
  double out;
  uint64_t raw = __atomic_load_n(reinterpret_cast<const uint64_t*>(at), __ATOMIC_RELAXED);
  std::memcpy(&out, &raw, 8);
  return out;
}
LA_INLINE void learn(double* at, double value) {
  uint64_t raw;
  std::memcpy(&raw, &value, 8);
  __atomic_store_n(reinterpret_cast<uint64_t*>(at), raw, __ATOMIC_RELAXED);
}

struct Ranked {
  const Field& f;
  const Network16& n;
  int64_t topk, overlaps;
  bool dynamic;  // as many as the largest overlaps sum up to
  bool counts, spread;
  const int64_t* unsound;  // [images], of the pool
};

// Price of a pair whose overlap is known; two workers may find the same total, which is the same.
LA_INLINE Price price_of(const Network16& n, const Field& f, int64_t g, int64_t prior, float u, float* row) {
  const int64_t image = f.image[g], lane = image * f.stride + prior, at = image * f.n + prior;
  const bool soft = n.judge.rule.scores_are == kSoftmax, sums = n.judge.rule.kind != kAligned;
  double whole = 0, by = 0;
  if (soft || sums) {
    by = soft ? known(n.shift + lane) : 0, whole = sums ? known(n.total + lane) : 0;
    if (by != by || whole != whole) {
      const float* scores = n.judge.read(at, row);
      if (soft) learn(n.shift + lane, by = n.judge.shift(scores));
      if (sums) learn(n.total + lane, whole = n.judge.total(at, scores, by));
    }
  }
  return n.judge.price(at, n.judge.label_in(f.s.objects.labels[g]), u, whole, by);
}
// What a pair is ranked by.
LA_INLINE float rank_of(const Network16& n, const Field& f, int64_t g, int64_t prior, float u, bool own, float* row,
                        double* base = nullptr) {
  const Price p = price_of(n, f, g, prior, u, row);
  if (base) *base = p.cost;
  const bool away = f.s.rule.kind == kSoft;
  return full_cost(f.s, p.cost, away ? soft_centre(f.s, f.asker[g], f.image[g], prior) : 0.0, own);
}

// What a worker writes on: the lanes of the runs that an object has visited, and its lists.
struct Desk16 {
  float *low, *u;     // [stride], bounds of the costs, and overlaps or (where that is much work) bounds of them
  int32_t* run;       // [runs]
  uint16_t *lane, *own;
  uint8_t* visited;   // [runs]
  int32_t* near;      // [runs], those that the object meets, and bounds of what is there
  float *near_low, *near_iou;
  float *seed, *key, *most;
  int32_t *seed_place, *place;
  float* iou;         // [stride], exact overlaps of priors whose cost is
  double* measured;   // [stride], for moments
  float* row;
};
LA_INLINE bool make_desk(Desk16& d, const Field& f, int64_t topk, int64_t overlaps, bool spread, float* row,
                         Memory& memory) {
  d.low = memory.take<float>(f.stride), d.u = memory.take<float>(f.stride);
  d.run = memory.take<int32_t>(f.runs), d.lane = memory.take<uint16_t>(f.runs), d.own = memory.take<uint16_t>(f.runs);
  d.visited = memory.take<uint8_t>(f.runs), d.near = memory.take<int32_t>(f.runs);
  d.near_low = memory.take<float>(f.runs + kFloats), d.near_iou = memory.take<float>(f.runs + kFloats);
  d.seed = memory.take<float>(topk), d.key = memory.take<float>(topk), d.most = memory.take<float>(overlaps);
  d.seed_place = memory.take<int32_t>(topk), d.place = memory.take<int32_t>(topk);
  d.iou = memory.take<float>(f.stride);
  d.measured = memory.take<double>(spread ? f.stride : 1);
  d.row = row;
  return !memory.failed;
}

// The penalty of the soft centre from below: 2^floor(...), from a distance that is at most the true one.
LA_INLINE F low_away(F dx, F dy, F inverse, float radius) {
  const F zero = all(0.0f);
  dx = larger(dx, zero - dx), dy = larger(dy, zero - dy);
  const F far = larger(larger(dx, dy), (dx + dy) * all(0.70710f)) * inverse * all(0.99999f);
  const F power = larger(smaller((far - all(radius)) * all(3.321928f) - all(0.505f), all(120.0f)), all(-120.0f));
  const F t = power + all(12582912.0f);  // rounds to the nearest; half less rounds down
  return from_bits((bits(t) + all((int32_t)(127 - 0x4B400000))) << 23);
}

constexpr int kFirst = 8;  // runs

struct Found {
  Shortlist list;  // of priors
  int64_t runs, count, refused;
  bool had;
  double mean, variance;
};

LA_INLINE void keep_overlap(float* most, int64_t room, float u) {
  if (!(u > most[room - 1])) return;
  int64_t k = room - 1;
  for (; k > 0 && most[k - 1] < u; k--) most[k] = most[k - 1];
  most[k] = u;
}

// One run: its lanes' overlaps and bounds. Returns the lanes that count.
LA_INLINE void visit_run(const Ranked& r, int64_t g, int64_t run, Desk16& d, Found& out, Shortlist* seeds) {
  const Field& f = r.f;
  const Network16& n = r.n;
  const int64_t image = f.image[g], at = image * f.runs + run;
  const Asker& a = f.asker[g];
  const uint32_t pool = f.pool[at];
  if (!pool) return;
  const uint32_t own = own_lanes(f, a, image, run) & pool, wanted = f.s.region.pool == kOwn ? own : pool;
  uint32_t sound = wanted & n.sound[at];
  if (f.s.region.pool == kOwn && wanted) out.had = true, out.refused += __builtin_popcount(wanted & ~sound);
  if (!sound) return;
  const Boxes p = boxes_of(n.run[at]);
  const Boxes q = {all(a.box.x1), all(a.box.y1), all(a.box.x2), all(a.box.y2)};
  const Rule& rule = n.judge.rule;
  F u = rule.overlap == kGiou ? giou(p, q) : rule.overlap == kIou ? iou(p, q) : overlap_at_most(kCiou, p, q);
  u = select(all(0.0f) > u, all(0.0f), u);
  float* kept = d.u + out.runs * kRunLanes;
  store(kept, u);
  sound &= lanes(u - u == all(0.0f));
  if (r.overlaps) {
    for (uint32_t some = sound & lanes(u > all(d.most[r.overlaps - 1])); some; some &= some - 1) {
      const int k = __builtin_ctz(some);
      const bool whole = rule.overlap == kCiou;
      keep_overlap(d.most, r.overlaps, whole ? overlap_of(kCiou, box_of(n.run[at], k), a.box, f.turned[g]) : kept[k]);
    }
  }
  F low = load<F>(n.run[at].low);
  if (n.of_class) low = larger(low, all(n.of_class_of(image, g)[run]));
  low = low + n.judge.low_overlap(u);
  if (rule.kind == kSoft) {
    const int64_t c = f.copy_of(image) * f.stride + run * kRunLanes;
    low = low + low_away(load<F>(f.x + c) - all(a.x), load<F>(f.y + c) - all(a.y),
                         load<F>(f.inverse + run * kRunLanes), (float)rule.weight[1]);
  }
  const float penalty = (float)f.s.region.penalty;
  if (penalty > 0 && (sound & ~own)) {
    float bound[kFloats];
    store(bound, low);
    for (uint32_t some = sound & ~own; some; some &= some - 1) bound[__builtin_ctz(some)] += penalty;
    low = load<F>(bound);
  }
  // of an overlap of 0 there is no alignment
  if (rule.kind == kAligned && rule.weight[1] > 0) sound &= lanes(u > all(0.0f));
  if (!sound) return;
  low = low * all(0.999999f);
  low = select(low > all(0.0f), low, all(0.0f));
  store(d.low + out.runs * kRunLanes, low);
  const float worst = seeds ? seeds->worst() : 0.0f;
  for (uint32_t some = seeds ? sound & lanes(low < all(worst)) : 0; some; some &= some - 1) {
    const int64_t place = out.runs * kRunLanes + __builtin_ctz(some);
    if (seeds->takes(d.low[place])) seeds->put(d.low[place], (int32_t)place);
  }
  d.run[out.runs] = (int32_t)run, d.lane[out.runs] = (uint16_t)sound, d.own[out.runs] = (uint16_t)own, out.runs++;
}

// Exact rank of a visited lane, or infinite if it exceeds `worst`; its overlap becomes exact, too.
LA_INLINE float judge_lane(const Ranked& r, int64_t g, int64_t place, Desk16& d, float worst, double* base = nullptr) {
  const Field& f = r.f;
  const int64_t run = d.run[place / kRunLanes], k = place % kRunLanes, prior = run * kRunLanes + k;
  const bool own = d.own[place / kRunLanes] >> k & 1;
  float u = d.u[place];
  if (r.n.judge.rule.overlap == kCiou) {
    if (r.n.judge.rule.kind == kAligned && rank_of(r.n, f, g, prior, u, own, d.row) * 0.999999f > worst) return kInfinity;
    u = overlap_of(kCiou, box_of(r.n.run[f.image[g] * f.runs + run], k), f.asker[g].box, f.turned[g]);
  }
  d.iou[prior] = u;
  return rank_of(r.n, f, g, prior, u, own, d.row, base);
}
LA_INLINE int32_t prior_of(const Desk16& d, int64_t place) { return d.run[place / kRunLanes] * kRunLanes + place % kRunLanes; }

// The runs that the object's region or (where it may choose others' priors) its box meets, with bounds for all of their
// lanes: what a pair costs at least, and overlaps at most. An intersection is within that with the box around them all,
// and a union not smaller than either box.
LA_INLINE int64_t find_near(const Ranked& r, int64_t g, Desk16& d) {
  const Field& f = r.f;
  const Asker& a = f.asker[g];
  const int64_t image = f.image[g];
  const float* hull = r.n.hull + image * 4 * f.runs;
  const float* classes = r.n.of_class ? r.n.of_class_of(image, g) : r.n.lowest + image * f.runs;
  const bool others = f.s.region.pool != kOwn, soft = f.s.rule.kind == kSoft;
  const F x1 = all(a.box.x1), y1 = all(a.box.y1), x2 = all(a.box.x2), y2 = all(a.box.y2), zero = all(0.0f);
  const F size = all(area(a.box)), x = all(a.x), y = all(a.y);
  const bool loose = a.wild || !(area(a.box) > 1e-20f);
  if (others) std::memset(d.visited, 0, (size_t)f.runs);
  int64_t found = 0;
  const auto meets = [&](const float* hulls, int64_t step, uint32_t own) {
    if (!others) return own;
    const F left = load<F>(hulls), top = load<F>(hulls + step), right = load<F>(hulls + 2 * step), bottom = load<F>(hulls + 3 * step);
    return own | (a.wild ? 0xffff : lanes((right > x1) & (x2 > left) & (bottom > y1) & (y2 > top)));
  };
  int64_t from = -kFloats;
  for (uint32_t packs = 0;; packs &= packs - 1) {
    while (!packs && (from += kFloats) < f.packs) {
      packs = lanes(own(sides(f.s.region, a, f.wide_of(image) + from, f.folds, f.farthest + from)));
      packs = meets(r.n.wide + image * 4 * f.folds + from, f.folds, packs);
      if (f.packs - from < kFloats) packs &= (1u << (f.packs - from)) - 1;
    }
    if (!packs) break;
    const int64_t k = (from + __builtin_ctz(packs)) * kFloats;
    uint32_t near = lanes(own(sides(f.s.region, a, f.hull_of(image) + k, f.runs, f.far + k)));
    near = meets(hull + k, f.runs, near);
    if (!near) continue;
    const F left = load<F>(hull + k), top = load<F>(hull + f.runs + k);
    const F right = load<F>(hull + 2 * f.runs + k), bottom = load<F>(hull + 3 * f.runs + k);
    const F w = larger(smaller(right, x2) - larger(left, x1), zero), h = larger(smaller(bottom, y2) - larger(top, y1), zero);
    const int64_t at = image * f.runs + k;
    F most = smaller(w * h, load<F>(r.n.largest + at)) / larger(size, load<F>(r.n.smallest + at)) * all(1.0001f);
    if (loose) most = all(1.001f);
    F low = r.n.judge.low_overlap(most) + load<F>(classes + k);
    if (soft) {
      const float* c = f.hull_of(image) + k;
      const F dx = larger(larger(load<F>(c) - x, x - load<F>(c + 2 * f.runs)), zero);
      const F dy = larger(larger(load<F>(c + f.runs) - y, y - load<F>(c + 3 * f.runs)), zero);
      low = low + low_away(dx, dy, load<F>(f.slow + k), (float)f.s.rule.weight[1]);
    }
    low = low * all(0.99999f);
    float bound[kFloats], iou[kFloats];
    store(bound, select(low > zero, low, zero)), store(iou, most);
    for (; near; near &= near - 1) {
      const int j = __builtin_ctz(near);
      if (!f.pool[image * f.runs + k + j]) continue;
      if (others) d.visited[k + j] = 1;  // sooner or later
      d.near[found] = (int32_t)(k + j), d.near_low[found] = bound[j], d.near_iou[found++] = iou[j];
    }
  }
  return found;
}

// Scores lie far apart and each is needed once: what is asked for early arrives in time.
LA_INLINE void fetch_scores(const Ranked& r, int64_t g, int64_t prior) {
  const Network& n = r.n.judge.network;
  const int64_t width = n.scores_type == kFloat32 ? 4 : 2, label = r.n.judge.label_in(r.f.s.objects.labels[g]);
  const int64_t at = (r.f.image[g] * r.f.n + prior) * n.columns + label;
  __builtin_prefetch(static_cast<const char*>(n.scores) + at * width);
}
LA_INLINE uint32_t worth(const Found& out, const Desk16& d, int64_t v) {
  return d.lane[v] & lanes(at_most(load<F>(d.low + v * kRunLanes), all(out.list.worst())));
}

// The lanes visited since `from`: only those get an exact cost whose bound does not exceed the worst of the list.
LA_INLINE void rank_visited(const Ranked& r, int64_t g, int64_t from, Desk16& d, Found& out) {
  constexpr int64_t kAhead = 2;
  const auto fetch = [&](int64_t v) {
    for (uint32_t some = v < out.runs ? worth(out, d, v) : 0; some; some &= some - 1)
      fetch_scores(r, g, d.run[v] * kRunLanes + __builtin_ctz(some));
  };
  for (int64_t v = from; v < from + kAhead; v++) fetch(v);
  for (int64_t v = from; v < out.runs; v++) {
    fetch(v + kAhead);
    for (uint32_t some = worth(out, d, v); some; some &= some - 1) {
      const int64_t place = v * kRunLanes + __builtin_ctz(some);
      if (d.low[place] > out.list.worst()) continue;
      const float cost = judge_lane(r, g, place, d, out.list.worst());
      if (finite(cost) && out.list.takes(cost)) out.list.put(cost, prior_of(d, place));
    }
  }
}

// Runs that the object's surroundings do not meet: there it overlaps nothing and has no prior of its own.
LA_INLINE void rank_far(const Ranked& r, int64_t g, Desk16& d, Found& out) {
  const Field& f = r.f;
  const Rule& rule = r.n.judge.rule;
  const Asker& a = f.asker[g];
  if (f.s.region.pool == kOwn || (rule.kind == kAligned && rule.weight[1] > 0)) return;
  const int64_t image = f.image[g];
  const F least_cost = r.n.judge.low_overlap(all(0.0f)) + all((float)f.s.region.penalty), zero = all(0.0f);
  const float* hull = f.hull_of(image);
  for (int64_t k = 0; k < f.runs; k += kFloats) {
    F low = least_cost + load<F>(r.n.lowest + image * f.runs + k);
    if (rule.kind == kSoft) {
      const F x = all(a.x), y = all(a.y);
      const F dx = larger(larger(load<F>(hull + k) - x, x - load<F>(hull + 2 * f.runs + k)), zero);
      const F dy = larger(larger(load<F>(hull + f.runs + k) - y, y - load<F>(hull + 3 * f.runs + k)), zero);
      low = low + low_away(dx, dy, load<F>(f.slow + k), (float)rule.weight[1]);
    }
    low = low * all(0.99999f);
    for (uint32_t some = lanes(at_most(low, all(out.list.worst()))); some; some &= some - 1) {
      const int64_t run = k + __builtin_ctz(some), from = out.runs;
      if (d.visited[run] || !r.n.sound[image * f.runs + run]) continue;
      visit_run(r, g, run, d, out, nullptr);
      rank_visited(r, g, from, d, out);
    }
  }
}

// Whether a cost is certainly finite, so that it need not be worked out to be counted.
LA_INLINE bool surely_finite(const Ranked& r, int64_t g, int64_t place, const Desk16& d) {
  const Field& f = r.f;
  const Rule& rule = r.n.judge.rule;
  const int64_t prior = prior_of(d, place), image = f.image[g], c = f.copy_of(image) * f.stride + prior;
  for (double w : rule.weight)
    if (!(w < 1e6)) return false;
  const bool overlapping = rule.overlap != kCiou && d.u[place] > 1e-30f;  // of the complete one there is a bound only
  if (!overlapping && (rule.kind == kAligned || !(rule.weight[2] > 1e-30))) return false;
  if (rule.kind == kAligned) {
    const double x = r.n.judge.score(image * f.n + prior, r.n.judge.label_in(f.s.objects.labels[g]));
    return rule.scores_are != kSoftmax && (rule.scores_are == kProbs ? x > 1e-30 : x > -1e30);
  }
  if (rule.kind == kSimOta) return true;
  const float far = __builtin_fabsf(f.x[c] - f.asker[g].x) + __builtin_fabsf(f.y[c] - f.asker[g].y);
  return f.inverse[prior] > 0 && far * f.inverse[prior] < 30.0f;
}

// How many priors of its own an object can take, and the moments of what they cost, wherever they are.
LA_INLINE void measure(const Ranked& r, int64_t g, Desk16& d, Found& out) {
  double total = 0, squares = 0;
  for (int64_t v = 0; v < out.runs; v++)
    for (uint32_t some = d.lane[v] & d.own[v]; some; some &= some - 1) {
      const int64_t place = v * kRunLanes + __builtin_ctz(some);
      double base = 0;
      if (r.spread || !surely_finite(r, g, place, d)) {
        const float cost = judge_lane(r, g, place, d, kInfinity, &base);
        if (!finite(cost) || !finite((float)base)) continue;
      }
      if (r.spread) d.measured[out.count] = (float)base, total += (float)base;
      out.count++;
    }
  if (!r.spread || !out.count) return;
  out.mean = total / (double)out.count;
  for (int64_t i = 0; i < out.count; i++) squares += (d.measured[i] - out.mean) * (d.measured[i] - out.mean);
  out.variance = out.count > 1 ? squares / (double)(out.count - 1) : 0;
}

// Runs that nobody has visited: whether there is any prior of the object's own, and how many are not sound.
LA_INLINE void count_rest(const Ranked& r, int64_t g, int64_t near, const Desk16& d, Found& out) {
  const Field& f = r.f;
  const int64_t image = f.image[g];
  for (int64_t i = 0; f.s.region.pool == kOwn && i < near; i++) {
    if (d.near[i] < 0 || (out.had && !r.unsound[image])) continue;
    const uint32_t own = own_lanes(f, f.asker[g], image, d.near[i]) & f.pool[image * f.runs + d.near[i]];
    out.had |= own != 0, out.refused += __builtin_popcount(own & ~r.n.sound[image * f.runs + d.near[i]]);
  }
}

// The list of one object.
LA_INLINE void rank_row(const Ranked& r, int64_t g, Desk16& d, Found& out) {
  out = {{d.key, d.place, r.topk, 0}, 0, 0, 0, false, 0, 0};
  for (int64_t k = 0; k < r.overlaps; k++) d.most[k] = 0.0f;
  if (!r.f.able[g]) return;
  const int64_t near = find_near(r, g, d);
  Shortlist seeds = {d.seed, d.seed_place, r.topk, 0};
  const auto visit = [&](int64_t i, Shortlist* to) {
    if (d.near[i] < 0) return;
    visit_run(r, g, d.near[i], d, out, to);
    d.near[i] = -1;
  };
  if (r.counts) {
    for (int64_t i = 0; i < near; i++) visit(i, &seeds);
    measure(r, g, d, out);
  } else {  // a few that look best, so that there is something to compare the rest with
    float key[kFirst];
    int32_t first[kFirst];
    Shortlist best = {key, first, kFirst, 0};
    for (int64_t i = 0; i < near; i++)
      if (best.takes(d.near_low[i])) best.put(d.near_low[i], (int32_t)i);
    for (int64_t k = 0; k < best.held; k++) visit(first[k], &seeds);
    for (int64_t i = 0; r.overlaps && i < near; i++)
      if (d.near_iou[i] > d.most[r.overlaps - 1] || !(d.near_iou[i] == d.near_iou[i])) visit(i, &seeds);
  }
  if (r.dynamic) {
    double whole = 0;
    for (int64_t k = 0; k < r.overlaps; k++) whole += d.most[k];
    out.list.room = whole < 1 ? 1 : whole < (double)r.topk ? (int64_t)whole : r.topk;
  }
  // first those of lowest bound: the answer lies near them, so they leave little for the rest to undercut
  const int64_t first = seeds.held < out.list.room ? seeds.held : out.list.room;
  for (int64_t k = 0; k < first; k++) fetch_scores(r, g, prior_of(d, d.seed_place[k]));
  for (int64_t k = 0; k < first; k++) {
    const int64_t place = d.seed_place[k];
    const float cost = judge_lane(r, g, place, d, kInfinity);
    d.lane[place / kRunLanes] &= (uint16_t)~(1u << place % kRunLanes);
    if (finite(cost) && out.list.takes(cost)) out.list.put(cost, prior_of(d, place));
  }
  rank_visited(r, g, 0, d, out);
  constexpr int64_t kTogether = 8;  // runs, for their scores to arrive meanwhile
  int64_t from = out.runs;
  for (int64_t i = 0; i < near; i++) {
    if (d.near[i] < 0 || d.near_low[i] > out.list.worst()) continue;
    visit(i, nullptr);
    for (uint32_t some = out.runs > from ? worth(out, d, out.runs - 1) : 0; some; some &= some - 1)
      fetch_scores(r, g, d.run[out.runs - 1] * kRunLanes + __builtin_ctz(some));
    if (out.runs - from < kTogether) continue;
    rank_visited(r, g, from, d, out);
    from = out.runs;
  }
  rank_visited(r, g, from, d, out);
  rank_far(r, g, d, out);
  count_rest(r, g, near, d, out);
}

// Everything up to the lists: who may choose what, and what the network says there.
struct Prepared {
  Field f;
  Network16 n;
  uint8_t* reached;   // [images]
  int64_t* unsound;   // [images], of the pool
  Desk16* desk;       // [threads]
  Prepared(const CentralScene& s) : n(s.voice, s.rule) {}
};
LA_INLINE bool prepare(Prepared& p, const CentralScene& s, int64_t topk, int64_t overlaps, bool spread, int threads,
                       Memory& memory) {
  if (!make_field(p.f, s, memory) || !make_network(p.n, p.f, memory, threads) ||
      !make_classes(p.n, p.f, memory))
    return false;
  for (int64_t g = 0; s.rule.overlap == kCiou && g < s.objects.rows; g++) p.f.turned[g] = turn_of(p.f.asker[g].box);
  p.reached = memory.zeros<uint8_t>(s.objects.images), p.unsound = memory.zeros<int64_t>(s.objects.images);
  p.desk = memory.take<Desk16>(threads);
  for (int t = 0; t < threads && !memory.failed; t++)
    make_desk(p.desk[t], p.f, topk, overlaps, spread, p.n.row + t * p.n.judge.padded, memory);
  return !memory.failed;
}
// body(image, from, to): what else is to be done for each portion of priors
template <class Body> LA_INLINE void look_around(Prepared& p, int threads, Body body) {
  const Field& f = p.f;
  const int64_t images = f.s.objects.images, parts = (f.runs + kPortion - 1) / kPortion;
  const int64_t copies = f.s.priors.step ? images : 1;
  const auto end = [&](int64_t part) { return (part + 1) * kPortion < f.runs ? (part + 1) * kPortion : f.runs; };
  spread(workers(threads, (double)(copies * f.n) * 3), copies * parts,
         [&](int64_t t, int) { read_centres(f, t / parts, t % parts * kPortion, end(t % parts)); });
  spread(threads, images * parts, [&](int64_t t, int worker) {
    const int64_t image = t / parts, from = t % parts * kPortion, to = end(t % parts);
    read_pool(f, image, from, to);
    int64_t lost = 0;
    bool any = false;
    for (int64_t r = from; r < to; r++) {
      read_run(p.n, f, image, r, p.n.row + worker * p.n.judge.padded, p.n.top + worker * p.n.judge.padded);
      const int64_t at = image * f.runs + r;
      any |= f.pool[at] != 0, lost += __builtin_popcount(f.pool[at] & ~p.n.sound[at] & 0xffff);
    }
    around_packs(f, p.n.hull + image * 4 * f.runs, p.n.wide + image * 4 * f.folds, from, to);
    if (any) __atomic_store_n(p.reached + image, (uint8_t)1, __ATOMIC_RELAXED);
    if (lost) __atomic_fetch_add(p.unsound + image, lost, __ATOMIC_RELAXED);
    body(image, from * kRunLanes, to * kRunLanes < f.n ? to * kRunLanes : f.n);
  });
}
// What every row has of its image: whether it had any pair, and how many were refused.
LA_INLINE bool account(const Prepared& p, int64_t g, const Found& found, int64_t* refused) {
  const Field& f = p.f;
  const int64_t image = f.image[g], lost = f.s.region.pool == kOwn ? found.refused : p.unsound[image];
  if (!f.able[g]) return false;
  if (lost) __atomic_fetch_add(refused + image, lost, __ATOMIC_RELAXED);
  return f.s.region.pool == kOwn ? found.had : p.reached[image] != 0;
}

int32_t central(const CentralArguments& a, int threads, Memory& memory) {
  const Objects& o = a.scene.objects;
  if (!sound(o)) return kBadIndex;
  Prepared p(a.scene);
  if (!prepare(p, a.scene, a.topk, a.overlaps, a.spread != 0, threads, memory)) return kNoMemory;
  for (int64_t i = 0; i < o.images; i++) a.refused[i] = 0;
  look_around(p, threads, [](int64_t, int64_t, int64_t) {});
  const Ranked r = {p.f, p.n, a.topk, a.overlaps, false, true, a.spread != 0, p.unsound};
  spread(threads, o.rows, [&](int64_t g, int worker) {
    Desk16& d = p.desk[worker];
    Found found;
    rank_row(r, g, d, found);
    for (int64_t k = 0; k < a.topk; k++) {
      const bool held = k < found.list.held;
      const int64_t prior = held ? d.place[k] : -1;
      a.prior[g * a.topk + k] = prior, a.cost[g * a.topk + k] = held ? d.key[k] : kInfinity;
      a.iou[g * a.topk + k] = held ? d.iou[prior] : 0.0f;
    }
    for (int64_t k = 0; k < a.overlaps; k++) a.best_iou[g * a.overlaps + k] = d.most[k];
    a.count[g] = found.count, a.mean[g] = found.mean, a.variance[g] = found.variance;
    a.reason[g] = account(p, g, found, a.refused) ? kRejected : kNoCandidate;
  });
  return kDone;
}

// A pair of any row and prior, of a network that nobody has looked at yet; infinite if the prediction is not sound.
struct Single {
  float cost, iou;
};
LA_INLINE Single single(const CentralScene& s, const Judge& judge, int64_t image, int64_t g, int64_t prior, float* row) {
  const int64_t at = image * s.priors.count + prior;
  const float* scores = judge.read(at, row);
  if (!judge.sound(at, scores)) return {kInfinity, 0.0f};
  const Box target = box_at(s.objects.boxes + g * 4);
  const float raw = judge.rule.overlap == kCiou   ? ciou(predicted(judge.network, at), target, turn_of(target))
                    : judge.rule.overlap == kGiou ? giou(predicted(judge.network, at), target)
                                                  : iou(predicted(judge.network, at), target);
  if (!finite(raw)) return {kInfinity, 0.0f};
  const float u = raw < 0 ? 0.0f : raw;
  const double by = judge.rule.scores_are == kSoftmax ? judge.shift(scores) : 0;
  const double whole = judge.rule.kind == kAligned ? 0 : judge.total(at, scores, by);
  const Asker a = asker_of(s.region, target);
  const Price p = judge.price(at, judge.label_in(s.objects.labels[g]), u, whole, by);
  const double away = judge.rule.kind == kSoft ? soft_centre(s, a, image, prior) : 0.0;
  return {full_cost(s, p.cost, away, owns(s, a, image, prior)), u};
}

int32_t central_pairs(const CentralPairArguments& a, int threads, Memory& memory) {
  const CentralScene& s = a.scene;
  if (!sound(s.objects)) return kBadIndex;
  const Judge judge(s.voice, s.rule);
  float* rows = memory.take<float>(judge.padded * threads);
  auto* image = memory.take<int32_t>(s.objects.rows);
  if (memory.failed) return kNoMemory;
  for (int64_t i = 0; i < s.objects.images; i++)
    for (int64_t g = begin_of(s.objects, i); g < end_of(s.objects, i); g++) image[g] = (int32_t)i;
  for (int64_t i = 0; i < a.pairs; i++)
    if (a.row[i] >= s.objects.rows || (a.row[i] >= 0 && (a.prior[i] < 0 || a.prior[i] >= s.priors.count))) return kBadIndex;
  constexpr int64_t kSome = 1024;
  spread(workers(threads, (double)a.pairs), (a.pairs + kSome - 1) / kSome, [&](int64_t t, int worker) {
    for (int64_t i = t * kSome; i < (t + 1) * kSome && i < a.pairs; i++) {
      const int64_t g = a.row[i];
      const Single found = g < 0 ? Single{kInfinity, 0.0f}
                                 : single(s, judge, image[g], g, a.prior[i], rows + worker * judge.padded);
      a.cost[i] = found.cost, a.iou[i] = found.iou;
    }
  });
  return kDone;
}

}  // namespace
}  // namespace LA_SET
