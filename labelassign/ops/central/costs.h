// What a pair of an object and a prior costs, in float64 and rounded once; and bounds of it from below in float32.
#pragma once
#include "../candidates/focal.h"
#include "scene.h"

namespace LA_SET {
namespace {

constexpr double kLogFloor = -100.0;  // of a logarithm in binary cross-entropy
constexpr float kNowhere = -3e38f;  // a logit whose terms are exactly 0
constexpr float kLoose = 2e-3f;     // what a bound leaves out, absolute and relative

LA_INLINE L operator>>(L a, int n) { LA_EACH(L, a.p[k] >> n) }
LA_INLINE L operator|(L a, L b) { LA_EACH(L, a.p[k] | b.p[k]) }
LA_INLINE L operator&(L a, L b) { LA_EACH(L, a.p[k] & b.p[k]) }

// log(x) for 0 <= x < 2^1023, error below 1e-15 relative or 1e-16 absolute; of 0 and subnormals: below -708
LA_INLINE D log_of(D x) {
  const L raw = bits(x);
  const D power = from_bits((raw >> 52) | all((int64_t)0x4330000000000000LL)) - all(4503599627370496.0 + 1023.0);
  const D m = from_bits((raw & all((int64_t)0x000fffffffffffffLL)) | all((int64_t)0x3ff0000000000000LL));
  // m in [sqrt(1/2), sqrt(2)), so that nothing cancels near 1
  const L upper = m > all(1.4142135623730951);
  const D k = select(upper, power + all(1.0), power), r = select(upper, m * all(0.5), m) - all(1.0);
  const D f = r / (all(2.0) + r), t = f * f, t2 = t * t, t4 = t2 * t2;
  const D a = all(1.0) + all(0.33333333333333826) * t, b = all(0.19999999999650955) + all(0.1428571438036914) * t;
  const D c = all(0.11111098523202137) + all(0.09091816120808513) * t;
  const D d = all(0.0765625655736915) + all(0.07404933786156531) * t;
  const D y = (all(2.0) * f) * ((a + b * t2) + (c + d * t2) * t4);
  return k * all(6.93147180369123816490e-01) + (y + k * all(1.90821492927058770002e-10));
}

// ln(x) within 1e-3 for normal x > 0; of smaller ones at least as far below 0 as -87.3
LA_INLINE F rough_log(F x) {
  const I raw = bits(x);
  const F m = from_bits((raw & all((int32_t)0x007fffff)) | all((int32_t)0x3f800000));
  F power;
  for (int k = 0; k < kParts; k++) power.p[k] = __builtin_convertvector(raw.p[k] >> 23, vf);
  const F p = all(-2.49835315f) + m * (all(4.02921139f) + m * (all(-2.07833517f) + m * (all(0.62603218f) - m * all(0.07844068f))));
  return (power - all(127.0f) + p) * all(0.69314718f);
}

LA_INLINE double first_of(D a) { return Coster::first(a); }

struct Logs { double log, rest; };  // of p and of 1 - p

LA_INLINE double log_rest(double log) { return __builtin_log(-__builtin_expm1(log)); }
// log p and log(1 - p) of a logit
LA_INLINE Logs of_logit(double x) {
  const double l = first_of(log1p_unit(exp_negative(all(x > 0 ? -x : x))).value);
  return {-((x > 0 ? 0.0 : -x) + l), -((x > 0 ? x : 0.0) + l)};
}
LA_INLINE double clamped(double p) { return p < 0 ? 0 : p > 1 ? 1 : p; }
LA_INLINE double not_below(double a, double b) { return a < b ? b : a; }

// What a pair is worth, whatever its place: cost in float64, and the overlap; a cost that is no number is none.
struct Price {
  double cost;
  float iou;
};

struct Judge {
  Network network;
  Rule rule;
  const void* objectness;
  bool joins;  // objectness is part of the score; else it has only to be finite
  int64_t objectness_type, padded, classes;
  LA_INLINE Judge(const Voice& v, const Rule& r)
      : network(v.network), rule(r), objectness(v.objectness), joins(v.objectness && r.kind == kSimOta),
        objectness_type(v.objectness_type), padded((v.network.columns + 15) / 16 * 16),
        classes(v.network.columns - (r.scores_are == kSoftmax)) {}

  // The scores of one prior, in place or copied to `row` [padded].
  LA_INLINE const float* read(int64_t at, float* row) const {
    if (network.scores_type == kFloat32 && network.columns % kFloats == 0)
      return static_cast<const float*>(network.scores) + at * network.columns;
    for (int64_t c = network.columns; c < padded; c++) row[c] = nothing();
    if (network.scores_type == kFloat32)
      std::memcpy(row, static_cast<const float*>(network.scores) + at * network.columns, (size_t)network.columns * 4);
    for (int64_t c = 0; network.scores_type != kFloat32 && c < network.columns; c++)
      row[c] = element(network.scores, network.scores_type, at * network.columns + c);
    return row;
  }
  LA_INLINE double score(int64_t at, int64_t label) const {
    return element(network.scores, network.scores_type, at * network.columns + label);
  }
  LA_INLINE double objectness_at(int64_t at) const { return element(objectness, objectness_type, at); }
  LA_INLINE int64_t label_in(int64_t label) const { return label < 0 ? 0 : label >= classes ? classes - 1 : label; }

  // Whether all that the prior predicts but for the scores is finite; and with them.
  LA_INLINE bool sound(int64_t at) const {
    return finite(predicted(network, at)) && (!objectness || finite((float)objectness_at(at)));
  }
  LA_INLINE bool sound(int64_t at, const float* scores) const {
    F none = all(0.0f);
    for (int64_t c = 0; c < padded; c += kFloats) {
      const F x = load<F>(scores + c);
      none = none + (x - x);
    }
    return every(none == all(0.0f)) && sound(at);
  }
  // what a softmax divides by, as a logarithm
  LA_INLINE double shift(const float* scores) const {
    double high = scores[0], whole = 0;
    for (int64_t c = 1; c < network.columns; c++) high = scores[c] > high ? scores[c] : high;
    for (int64_t c = 0; c < network.columns; c++) whole += first_of(exp_negative(all(scores[c] - high)));
    return high + __builtin_log(whole);
  }
  LA_INLINE double log_objectness(int64_t at) const {
    const double x = objectness_at(at);
    return rule.scores_are == kProbs ? __builtin_log(clamped(x)) : of_logit(x).log;
  }
  LA_INLINE Logs joined(Logs l, int64_t at) const {
    if (!joins) return l;
    const double log = 0.5 * (l.log + log_objectness(at));
    return {log, log_rest(log)};
  }
  // what a class that is not the object's adds
  LA_INLINE double missed(Logs l) const {
    const double rest = not_below(l.rest, kLogFloor), p = first_of(exp_negative(all(l.log)));
    return rule.kind == kSimOta ? -rest : -rest * (p * p);
  }
  LA_INLINE double log_alone(double x, double by) const {
    if (rule.scores_are == kSigmoid) return of_logit(x).log;
    return rule.scores_are == kProbs ? __builtin_log(clamped(x)) : x - by > 0 ? 0.0 : x - by;
  }
  LA_INLINE Logs logs(double x, double by) const {
    if (rule.scores_are == kSigmoid) return of_logit(x);
    const double log = log_alone(x, by);
    return {log, log_rest(log)};
  }

  // The sum over all classes as if none were the object's.
  double total(int64_t at, const float* scores, double by) const {
    const D most = all(-kLogFloor), zero = all(0.0), one = all(1.0);
    D out = zero;
    if (rule.scores_are == kSigmoid && !joins) {
      for (int64_t c = 0; c < padded; c += kDoubles) {
        const D x = widen(scores + c);
        const L positive = x > zero;
        const D e = exp_negative(select(positive, zero - x, x));
        const Log log = log1p_unit(e);
        const D loss = smaller(select(positive, x, zero) + log.value, most);
        const D p = select(positive, log.inverse, e * log.inverse);
        out = out + (rule.kind == kSimOta ? loss : loss * (p * p));
      }
      return sum(out);
    }
    const double half = joins ? log_objectness(at) : 0;
    for (int64_t c = 0; c < classes; c += kDoubles) {
      D x = widen(scores + c), log, p;
      if (rule.scores_are == kProbs) {
        p = smaller(larger(x, zero), one), log = zero;
        if (joins) log = log_of(p);
      } else if (rule.scores_are == kSoftmax) {
        log = smaller(x - all(by), zero), p = exp_negative(log);
      } else {
        const L positive = x > zero;
        log = zero - (select(positive, zero, zero - x) + log1p_unit(exp_negative(select(positive, zero - x, x))).value);
      }
      if (joins) log = all(0.5) * (log + all(half)), p = exp_negative(log);
      double miss[kDoubles], chance[kDoubles], logarithm[kDoubles];
      store(miss, smaller(zero - log_of(one - p), most)), store(chance, p), store(logarithm, log);
      for (int k = 0; k < kDoubles; k++) {
        // 1 - p is exact where p was given; otherwise it has lost what makes the difference
        if ((rule.scores_are != kProbs || joins) && chance[k] > 0.4)
          miss[k] = -not_below(log_rest(logarithm[k]), kLogFloor);
        if (c + k >= classes) miss[k] = 0;
        if (rule.kind == kSoft) miss[k] *= chance[k] * chance[k];
      }
      out = out + load<D>(miss);
    }
    return sum(out);
  }

  // The cost but for its place; `whole` is the total, `by` the softmax's shift.
  LA_INLINE Price price(int64_t at, int64_t label, float u, double whole, double by) const {
    const double* w = rule.weight;
    const double x = score(at, label);
    double cost;
    if (rule.kind == kAligned) {
      cost = (w[0] != 0 ? -w[0] * log_alone(x, by) : 0.0) + (w[1] != 0 ? -w[1] * __builtin_log((double)u) : 0.0);
      return {cost < 0 ? 0.0 : cost, u};
    }
    const Logs raw = logs(x, by);
    if (rule.kind == kSimOta) {
      const Logs l = joined(raw, at);
      const double own = whole - missed(l) - not_below(l.log, kLogFloor);
      cost = w[0] * own - w[1] * __builtin_log((double)u + w[2]);
    } else {
      const double p = __builtin_exp(raw.log), y = u;
      const double entropy = -(y * not_below(raw.log, kLogFloor) + (1 - y) * not_below(raw.rest, kLogFloor));
      const double own = whole - missed(raw) + entropy * ((y - p) * (y - p));
      cost = own - w[0] * __builtin_log(y + w[2]);
    }
    return {cost < 0 ? 0.0 : cost, u};
  }

  LA_INLINE double weight() const { return rule.weight[rule.kind == kSoft ? 0 : 1]; }
  LA_INLINE double eps() const { return rule.kind == kAligned ? 0.0 : rule.weight[2]; }
  // bounds of the overlap's part from below
  LA_INLINE F low_overlap(F u) const {
    const F l = all(0.0f) - rough_log(u + all((float)eps())) - all(kLoose);
    return all((float)weight()) * l;
  }
  LA_INLINE float nothing() const { return rule.scores_are == kProbs ? 0.0f : kNowhere; }
  // Whether all scores of a prior are finite; the highest, and those of each class raised to them.
  LA_INLINE bool highest(const float* scores, float& top, float* of_class) const {
    F none = all(0.0f), high = all(nothing());
    for (int64_t c = 0; c < padded; c += kFloats) {
      const F x = load<F>(scores + c);
      none = none + (x - x), high = larger(x, high);
      store(of_class + c, larger(x, load<F>(of_class + c)));
    }
    top = largest(high);
    return every(none == all(0.0f));
  }
  // -log of the highest scores at least
  LA_INLINE F low_aligned(F top) const {
    const F zero = all(0.0f);
    if (rule.scores_are == kSoftmax) return zero;
    F low = zero - rough_log(top);
    // log(1 + exp(-x)) is more than -x
    if (rule.scores_are == kSigmoid)
      low = select(zero > top, zero - top, rough_log(all(1.0f) + rough_exp_negative(smaller(zero - top, zero))));
    return all((float)rule.weight[0]) * larger(low - all(kLoose), zero);
  }
  // What the classes cost at least in a sum over all, from the scores of one prior; 0 where that is not known.
  LA_INLINE float low_classes(const float* scores) const {
    if (rule.scores_are == kSoftmax || joins) return 0.0f;
    F whole = all(0.0f), high = all(nothing());
    for (int64_t c = 0; c < padded;) {
      F product = all(1.0f);
      for (int k = 0; k < 5 && c < padded; k++, c += kFloats) {
        const F x = load<F>(scores + c);
        high = larger(x, high);
        if (rule.scores_are == kProbs) {
          if (rule.kind == kSoft) {
            const F q = smaller(x, all(1.0f));
            whole = whole + (q * q) * q;  // -log(1 - p) >= p
          }
          else product = product * larger(all(1.0f) - x, all(1e-6f));
        } else if (rule.kind == kSoft) {
          whole = whole + Coster::low_miss(smaller(x, all(60.0f)));
        } else {
          product = product * (all(1.0f) + rough_exp_negative(smaller(x, all(15.0f))));
        }
      }
      if (rule.kind == kSimOta) whole = whole + (rule.scores_are == kProbs ? all(0.0f) - rough_log(product) : rough_log(product));
    }
    const float top = largest(high);
    // without the class that would take the most from it
    float less = most(top, -90.0f);
    if (rule.kind == kSoft) {
      float miss[kFloats];
      store(miss, Coster::low_miss(all(top)));
      less = rule.scores_are == kProbs ? (top < 1 ? top * top * top : 1.0f) : miss[0] * 1.001f;
    } else if (rule.scores_are == kProbs) {
      less = top < 0.99999f ? (float)-__builtin_log1p(-(double)top) : 100.0f;
    }
    if (!(top < 60.0f)) return 0.0f;
    const double low = (double)(sum(whole) - less) - kLoose * (16 + __builtin_fabs((double)less) + (double)most(sum(whole), 0.0f));
    return low > 0 ? (float)((rule.kind == kSimOta ? rule.weight[0] : 1.0) * low * 0.999) : 0.0f;
  }
};

// The angle of a box's diagonal, which its complete IoU with any other asks for.
LA_INLINE double turn_of(Box b) {
  const double wide = (double)b.x2 - b.x1, tall = (double)b.y2 - b.y1;
  return __builtin_atan2(wide > 0 ? wide : 0, tall > 0 ? tall : 0);
}
// Complete IoU, operation by operation as labelassign/geometry has it; `turned`: turn_of(q).
LA_INLINE float ciou(Box p, Box q, double turned) {
  const auto low = [](double a, double b) { return a < b ? a : b; };
  const auto high = [](double a, double b) { return a > b ? a : b; };
  const double ax1 = p.x1, ay1 = p.y1, ax2 = p.x2, ay2 = p.y2, bx1 = q.x1, by1 = q.y1, bx2 = q.x2, by2 = q.y2;
  constexpr double small = 1e-12;
  const double inner = high(low(ax2, bx2) - high(ax1, bx1), 0) * high(low(ay2, by2) - high(ay1, by1), 0);
  const double wide = high(ax2 - ax1, 0), tall = high(ay2 - ay1, 0), other_wide = high(bx2 - bx1, 0), other_tall = high(by2 - by1, 0);
  const double whole = wide * tall + other_wide * other_tall - inner, iou = inner / high(whole, small);
  const double width = high(ax2, bx2) - low(ax1, bx1), height = high(ay2, by2) - low(ay1, by1);
  const double diagonal = width * width + height * height;
  const double dx = (ax1 + ax2 - bx1 - bx2) / 2, dy = (ay1 + ay2 - by1 - by2) / 2, apart = dx * dx + dy * dy;
  const double turn = turn_of(p) - turned;
  const double shape = (turn * turn) * (4 / (3.141592653589793 * 3.141592653589793));
  const double share = shape / high(shape - iou + 1, small);
  return (float)(iou - apart / high(diagonal, small) - share * shape);
}
// A bound of any of them from above: of the complete IoU what it is without the shapes.
LA_INLINE F overlap_at_most(int64_t kind, const Boxes& a, const Boxes& b) {
  const F u = iou(a, b), bound = select(u == u, u * all(1.00001f) + all(1e-30f), all(1.0f));
  if (kind != kCiou) return bound;
  F size = all(0.0f);
  const Boxes* const both[] = {&a, &b};
  for (const Boxes* each : both) {
    const F* const sides[] = {&each->x1, &each->y1, &each->x2, &each->y2};
    for (const F* side : sides) size = larger(larger(*side, all(0.0f) - *side), size);
  }
  const F slip = size * all(1e-6f), none = all(0.0f);
  const auto apart = [&](F d) { return larger(larger(d, none - d) * all(0.5f) - slip, none); };
  const F dx = apart((a.x1 + a.x2) - (b.x1 + b.x2)), dy = apart((a.y1 + a.y2) - (b.y1 + b.y2));
  const F width = larger(a.x2, b.x2) - smaller(a.x1, b.x1), height = larger(a.y2, b.y2) - smaller(a.y1, b.y1);
  const F away = (dx * dx + dy * dy) / larger(width * width + height * height, all(1e-12f));
  const I apart_at_all = at_most(smaller(a.x2, b.x2), larger(a.x1, b.x1)) | at_most(smaller(a.y2, b.y2), larger(a.y1, b.y1));
  // in float64 areas neither overflow nor vanish
  const I moderate = (all(kWild) > size) & (larger(area(a), area(b)) > all(1e-20f));
  const F complete = larger(bound - away * all(0.9999f) + all(1e-6f), none);
  return select(apart_at_all, none, select(moderate, complete, all(1.0f)));
}
LA_INLINE float overlap_of(int64_t kind, Box p, Box q, double turned) {
  const float u = kind == kCiou ? ciou(p, q, turned) : kind == kGiou ? giou(p, q) : iou(p, q);
  return u < 0 ? 0.0f : u;
}
LA_INLINE float overlap_of(int64_t kind, Box p, Box q) { return overlap_of(kind, p, q, kind == kCiou ? turn_of(q) : 0.0); }

// The penalty of the soft centre: 10^(distance in strides - radius).
LA_INLINE double soft_centre(const CentralScene& s, const Asker& a, int64_t image, int64_t prior) {
  const Box b = box_at(s.priors.boxes + (image * s.priors.step + prior) * 4);
  const double dx = (b.x1 + b.x2) / 2 - a.x, dy = (b.y1 + b.y2) / 2 - a.y;
  return __builtin_pow(10.0, __builtin_sqrt(dx * dx + dy * dy) / (double)s.strides[prior] - s.rule.weight[1]);
}
// What is ranked by: rounded once; what is no finite number never takes part.
LA_INLINE float full_cost(const CentralScene& s, double cost, double away, bool own) {
  const float total = (float)(cost + away + (own ? 0.0 : (double)(float)s.region.penalty));
  return finite(total) ? total : kInfinity;
}

}  // namespace
}  // namespace LA_SET
