// Who gets a prior that several objects want, and what it costs them.
#pragma once
#include "native.h"

namespace LA_SET {
namespace {

constexpr int32_t kOneBits = 0x3f800000;

LA_INLINE int32_t raw_bits(float a) {
  int32_t out;
  std::memcpy(&out, &a, 4);
  return out;
}
// The lowest wins: the cost, or how far an overlap is from 1 in bits.
LA_INLINE int32_t claim_key(bool by_iou, float cost, float iou) {
  if (!by_iou) return raw_bits(cost);
  const int32_t away = (int32_t)((uint32_t)kOneBits - (uint32_t)raw_bits(iou));
  return away < 0 ? 0 : away;
}

// One image's rows side by side, to compare a prior with all of them.
struct RowLanes {
  float *x1, *y1, *x2, *y2, *rx1, *ry1, *rx2, *ry2, *x, *y;  // [rows], whole registers; nothing is near the rest
  LA_INLINE bool take(int64_t rows, Memory& memory) {
    float** all_of[] = {&x1, &y1, &x2, &y2, &rx1, &ry1, &rx2, &ry2, &x, &y};
    for (float** each : all_of) *each = memory.take<float>(rows + kFloats);
    return !memory.failed;
  }
  LA_INLINE void put(int64_t g, const Asker& a) {
    x1[g] = a.box.x1, y1[g] = a.box.y1, x2[g] = a.box.x2, y2[g] = a.box.y2, x[g] = a.x, y[g] = a.y;
    rx1[g] = a.region.x1, ry1[g] = a.region.y1, rx2[g] = a.region.x2, ry2[g] = a.region.y2;
  }
};

struct Winner {
  int32_t key;
  int64_t row;  // -1: nobody
  float cost, iou;
};
LA_INLINE bool beats(int32_t key, int64_t row, const Winner& w) {
  return w.row < 0 || key < w.key || (key == w.key && row < w.row);
}

// What a contest asks of the networks: of the first, or in rows that are chosen of the other.
struct Bench {
  const CentralScene& s;
  const Judge *first, *second;
  const uint8_t* chosen;
  bool by_iou;
  const uint8_t* able;
  RowLanes rows;
  LA_INLINE const Judge& of(int64_t g) const { return chosen && chosen[g] ? *second : *first; }
};

// A prior as one network sees it; what is summed over classes waits until somebody asks.
struct Stand {
  const Judge* judge;
  const float* scores;
  Box box;
  bool sound;
  double whole, by;
};
LA_INLINE Stand stand(const Judge& judge, int64_t at, float* row) {
  Stand out = {&judge, judge.read(at, row), predicted(judge.network, at), false, 0, 0};
  out.sound = judge.sound(at, out.scores);
  if (!out.sound) return out;
  out.by = judge.rule.scores_are == kSoftmax ? judge.shift(out.scores) : 0;
  out.whole = judge.rule.kind == kAligned ? 0 : judge.total(at, out.scores, out.by);
  return out;
}
LA_INLINE Single ask(const CentralScene& s, const Stand& p, int64_t image, int64_t g, int64_t prior, bool own,
                     const Asker& a) {
  const Rule& rule = p.judge->rule;
  if (!p.sound) return {kInfinity, 0.0f};
  const float u = overlap_of(rule.overlap, p.box, a.box);
  if (!finite(u)) return {kInfinity, 0.0f};
  const int64_t at = image * s.priors.count + prior;
  const Price price = p.judge->price(at, p.judge->label_in(s.objects.labels[g]), u, p.whole, p.by);
  return {full_cost(s, price.cost, rule.kind == kSoft ? soft_centre(s, a, image, prior) : 0.0, own), u};
}

// The best of all rows of an image that may choose this prior.
LA_INLINE Winner over_all(const Bench& b, int64_t image, int64_t prior, float* row, float* other_row) {
  const CentralScene& s = b.s;
  const int64_t at = image * s.priors.count + prior, from = begin_of(s.objects, image), to = end_of(s.objects, image);
  Stand seen[2] = {stand(*b.first, at, row), {}};
  if (b.chosen) seen[1] = stand(*b.second, at, other_row);
  const Box p = box_at(s.priors.boxes + (image * s.priors.step + prior) * 4);
  const F x = all((p.x1 + p.x2) / 2), y = all((p.y1 + p.y2) / 2), zero = all(0.0f);
  const F reach = all(s.region.kind == kBox ? 0.0f : (float)s.region.radius * s.strides[prior]);
  const F m = all((float)s.region.margin), penalty = all((float)s.region.penalty);
  const Boxes mine = {all(seen[0].box.x1), all(seen[0].box.y1), all(seen[0].box.x2), all(seen[0].box.y2)};
  const Rule& rule = b.first->rule;
  Winner best = {0, -1, kInfinity, 0.0f};
  for (int64_t k = from; k < to; k += kFloats) {
    const RowLanes& r = b.rows;
    I own = all((int32_t)-1);
    if (s.region.kind != kCentre)
      own = (x - load<F>(r.rx1 + k) > m) & (load<F>(r.rx2 + k) - x > m) & (y - load<F>(r.ry1 + k) > m) &
            (load<F>(r.ry2 + k) - y > m);
    if (s.region.kind != kBox) {
      const F ox = load<F>(r.x + k), oy = load<F>(r.y + k);
      own = own & (x > ox - reach) & (ox + reach > x) & (y > oy - reach) & (oy + reach > y);
    }
    const uint32_t mine_own = lanes(own);
    uint32_t some = s.region.pool == kOwn ? mine_own : 0xffff;
    if (to - k < kFloats) some &= (1u << (to - k)) - 1;
    if (some && !b.chosen) {  // bounds, for one network
      const Boxes theirs = {load<F>(r.x1 + k), load<F>(r.y1 + k), load<F>(r.x2 + k), load<F>(r.y2 + k)};
      const F u = overlap_at_most(rule.overlap, mine, theirs);
      if (best.row >= 0 && b.by_iou) some &= lanes(at_most(all(best.iou), u));
      if (best.row >= 0 && !b.by_iou)
        some &= lanes(at_most((b.first->low_overlap(u) + select(own, zero, penalty)) * all(0.9999f), all(best.cost)));
      if (rule.kind == kAligned && rule.weight[1] > 0) some &= lanes(u > zero);
    }
    for (; some; some &= some - 1) {
      const int64_t j = __builtin_ctz(some), g = k + j;
      if (!b.able[g]) continue;
      const Asker a = {{r.x1[g], r.y1[g], r.x2[g], r.y2[g]}, {}, r.x[g], r.y[g], false};
      const Single found = ask(s, seen[b.chosen && b.chosen[g] ? 1 : 0], image, g, prior, mine_own >> j & 1, a);
      if (!finite(found.cost)) continue;
      const int32_t key = claim_key(b.by_iou, found.cost, found.iou);
      if (beats(key, g, best)) best = {key, g, found.cost, found.iou};
    }
  }
  return best;
}

int32_t contest(const ContestArguments& a, int threads, Memory& memory) {
  const CentralScene& s = a.scene;
  const Objects& o = s.objects;
  const int64_t n = s.priors.count, total = o.images * n;
  if (!sound(o)) return kBadIndex;
  for (int64_t i = 0; i < o.rows * a.width; i++)
    if (a.prior[i] >= n) return kBadIndex;
  const Judge first(s.voice, s.rule), second(a.chosen ? a.other : s.voice, s.rule);
  Bench b = {s, &first, &second, a.chosen, a.by_iou != 0, nullptr, {}};
  auto* able = memory.take<uint8_t>(o.rows);
  auto* key = memory.take<int32_t>(total);
  auto* claims = memory.zeros<uint8_t>(total);
  float* row = memory.take<float>((first.padded + second.padded) * threads);
  if (!b.rows.take(o.rows, memory) || memory.failed) return kNoMemory;
  b.able = able;
  for (int64_t g = 0; g < o.rows; g++) {
    b.rows.put(g, asker_of(s.region, box_at(o.boxes + g * 4)));
    able[g] = g < o.offsets[o.images] && !o.ignore[g] && formed(o, g);
  }
  for (int64_t i = 0; i < total; i++) a.index[i] = -1, a.paid[i] = kInfinity;
  for (int64_t image = 0; image < o.images; image++)
    for (int64_t g = begin_of(o, image); g < end_of(o, image); g++) {
      bool had = false, wants = false;
      for (int64_t k = g * a.width; k < (g + 1) * a.width; k++) {
        if (a.prior[k] < 0) continue;
        had = true;
        if (!a.kept[k]) continue;
        wants = true;
        const int64_t at = image * n + a.prior[k];
        const int32_t mine = claim_key(b.by_iou, a.cost[k], a.iou[k]);
        if (claims[at] < 2) claims[at]++;
        if (a.index[at] < 0 || mine < key[at]) a.index[at] = g, key[at] = mine;  // rows rise
      }
      a.reason[g] = (int8_t)(wants ? (int64_t)kFine : had ? (int64_t)kRejected : a.given[g]);
    }
  constexpr int64_t kSome = 1024;
  spread(workers(threads, (double)total), (total + kSome - 1) / kSome, [&](int64_t t, int worker) {
    float* mine = row + worker * (first.padded + second.padded);
    for (int64_t at = t * kSome; at < (t + 1) * kSome && at < total; at++) {
      if (a.index[at] < 0) continue;
      const int64_t image = at / n, prior = at % n;
      if (a.all && claims[at] > 1) {
        const Winner w = over_all(b, image, prior, mine, mine + first.padded);
        if (w.row >= 0) {
          a.index[at] = w.row, a.paid[at] = w.cost;
          continue;
        }
      }
      a.paid[at] = single(s, b.of(a.index[at]), image, a.index[at], prior, mine).cost;
    }
  });
  return kDone;
}

}  // namespace
}  // namespace LA_SET
