// Two Gaussians fitted to every row, and what they say about its samples.
#pragma once
#include "../native/boxes.h"
#include "../native/maths.h"
#include "../native/work.h"

namespace LA_SET {
namespace {

constexpr double kLargest = 1e100, kTenEps = 2.220446049250313e-15, kLowest = -600.0;
constexpr double kHalfLogTau = 0.91893853320467274178;

// One row: samples in float64, and 1.0 or 0.0 for whether an entry is a sample; padded to whole registers.
struct Row {
  int64_t width, padded, size;
  double* x;
  double* inside;
  double* low;   // responsibilities, or log densities
  double* high;
};
struct Two { double low, high; };
struct Gaussians { Two weight, mean, variance; };

LA_INLINE int64_t padded(int64_t width) { return (width + kDoubles - 1) / kDoubles * kDoubles; }

LA_INLINE void read_row(Row& r, const float* costs, int64_t count, bool normalize) {
  r.size = 0;
  double low = 0, high = 0;
  for (int64_t i = 0; i < r.padded; i++) {
    const bool is = i < r.width && i < count && finite(costs[i]);
    const double x = is ? (double)costs[i] : 0.0;
    r.x[i] = x, r.inside[i] = is;
    if (!is) continue;
    low = !r.size || x < low ? x : low, high = !r.size || x > high ? x : high;
    r.size++;
  }
  const double span = high > low ? high - low : 1.0;
  for (int64_t i = 0; normalize && i < r.padded; i++) r.x[i] = r.inside[i] != 0 ? (r.x[i] - low) / span : 0.0;
}
LA_INLINE Two bounds(const Row& r) {
  Two out = {0, 0};
  bool first = true;
  for (int64_t i = 0; i < r.width; i++) {
    if (r.inside[i] == 0) continue;
    out.low = first || r.x[i] < out.low ? r.x[i] : out.low;
    out.high = first || r.x[i] > out.high ? r.x[i] : out.high;
    first = false;
  }
  return out;
}

// log(weight * normal density) = offset - ((x - mean) * precision)^2 / 2
struct Density {
  D mean, precision, offset;
  LA_INLINE Density(double weight, double m, double variance) {
    const double p = 1.0 / __builtin_sqrt(variance);
    mean = all(m), precision = all(p), offset = all(__builtin_log(weight * p) - kHalfLogTau);
  }
  LA_INLINE D operator()(D x) const {
    const D z = (x - mean) * precision;
    return ((z * z) * all(-0.5)) + offset;
  }
};

LA_INLINE Gaussians start(const Row& r, const Fit& rule) {
  const Two ends = bounds(r);
  double variance = 1;
  if (rule.data_variance && r.size) {
    double mean = 0, spread = 0;
    for (int64_t i = 0; i < r.width; i++) mean += r.x[i];
    mean /= (double)r.size;
    for (int64_t i = 0; i < r.width; i++) spread += r.inside[i] != 0 ? (r.x[i] - mean) * (r.x[i] - mean) : 0.0;
    variance = spread / (double)r.size + rule.reg;
  }
  return {{0.5, 0.5}, ends, {variance, variance}};
}

// One E-step, then one M-step; gives the mean log-likelihood of what came in.
LA_INLINE double step(const Row& r, Gaussians& g, double reg) {
  const Density low(g.weight.low, g.mean.low, g.variance.low), high(g.weight.high, g.mean.high, g.variance.high);
  const D zero = all(0.0), one = all(1.0);
  D peaks = zero, product = one, n0 = zero, n1 = zero, s0 = zero, s1 = zero;
  double logs = 0;
  for (int64_t i = 0; i < r.padded; i += kDoubles) {
    const D x = load<D>(r.x + i), in = load<D>(r.inside + i), a = low(x), b = high(x);
    const L first = a > b;
    const D peak = select(first, a, b), e = exp_negative(larger(select(first, b, a) - peak, all(kLowest)));
    const D q = in / (one + e), p = e * q;
    const D share0 = select(first, q, p), share1 = select(first, p, q);
    // the sum of log(1 + e) as the log of a product: a factor is at most 2, so that many of them fit
    peaks = peaks + peak * in, product = product * (one + e * in);
    if (i % (kDoubles * 64) == kDoubles * 63) logs += __builtin_log(multiplied(product)), product = one;
    store(r.low + i, share0), store(r.high + i, share1);
    n0 = n0 + share0, n1 = n1 + share1;
    s0 = s0 + share0 * x, s1 = s1 + share1 * x;
  }
  const double likelihood = sum(peaks) + (logs + __builtin_log(multiplied(product)));
  const Two size = {sum(n0) + kTenEps, sum(n1) + kTenEps};
  g.mean = {sum(s0) / size.low, sum(s1) / size.high};
  const D m0 = all(g.mean.low), m1 = all(g.mean.high);
  D v0 = zero, v1 = zero;
  for (int64_t i = 0; i < r.padded; i += kDoubles) {
    const D x = load<D>(r.x + i), d0 = x - m0, d1 = x - m1;
    v0 = v0 + (d0 * d0) * load<D>(r.low + i), v1 = v1 + (d1 * d1) * load<D>(r.high + i);
  }
  g.variance = {sum(v0) / size.low + reg, sum(v1) / size.high + reg};
  const double both = size.low + size.high;
  g.weight = {size.low / both, size.high / both};
  return likelihood / (double)r.size;
}

struct Fitted {
  Gaussians g;
  double likelihood;
  int64_t steps;
  bool converged;
};

LA_INLINE Fitted fit(const Row& r, const Fit& rule) {
  Fitted out = {start(r, rule), 0.0, 0, false};
  double last = -__builtin_inf();
  while (r.size && out.steps < rule.max_steps && !out.converged) {
    out.likelihood = step(r, out.g, rule.reg);
    out.converged = __builtin_fabs(out.likelihood - last) < rule.tol;
    last = out.likelihood;
    out.steps++;
  }
  // scikit-learn starts from -inf; a row without samples has 0
  if (r.size && !out.steps) out.likelihood = -__builtin_inf();
  return out;
}

// Component and log density of the mixture for every entry of a row; -1 and 0 for what is no sample.
template <class Component> LA_INLINE void classify(const Row& r, const Gaussians& g, Component* component, double* score) {
  const Density low(g.weight.low, g.mean.low, g.variance.low), high(g.weight.high, g.mean.high, g.variance.high);
  for (int64_t i = 0; i < r.padded; i += kDoubles) {
    const D a = low(load<D>(r.x + i)), b = high(load<D>(r.x + i));
    const D peak = larger(a, b), rest = smaller(a, b);
    store(r.low + i, peak + log1p_unit(exp_negative(rest - peak)).value);
    store(r.high + i, select(b > a, all(1.0), all(0.0)));
  }
  for (int64_t i = 0; i < r.width; i++) {
    component[i] = r.inside[i] != 0 ? (Component)r.high[i] : (Component)-1;
    score[i] = r.inside[i] != 0 ? r.low[i] : 0.0;
  }
}

// Rows of all workers: memory for one row each.
struct Rows {
  Row row;
  double* space;
  LA_INLINE Rows(Memory& memory, int64_t width, int threads) {
    row = {width, padded(width), 0, nullptr, nullptr, nullptr, nullptr};
    space = memory.take<double>(4 * row.padded * threads);
  }
  LA_INLINE Row at(int worker) const {
    Row r = row;
    r.x = space + 4 * r.padded * worker, r.inside = r.x + r.padded, r.low = r.inside + r.padded, r.high = r.low + r.padded;
    return r;
  }
};

constexpr int64_t kRowsPerTask = 4;

int32_t mixture(const MixtureArguments& a, int threads, Memory& memory) {
  const Rows rows(memory, a.width, threads);
  if (memory.failed) return kNoMemory;
  spread(workers(threads, 60.0 * (double)(a.rows * a.width)), (a.rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t t, int worker) {
    for (int64_t i = t * kRowsPerTask; i < (t + 1) * kRowsPerTask && i < a.rows; i++) {
      Row r = rows.at(worker);
      read_row(r, a.costs + i * a.width, a.count[i], a.fit.normalize != 0);
      const Fitted f = fit(r, a.fit);
      a.weights[2 * i] = f.g.weight.low, a.weights[2 * i + 1] = f.g.weight.high;
      a.means[2 * i] = f.g.mean.low, a.means[2 * i + 1] = f.g.mean.high;
      a.variances[2 * i] = f.g.variance.low, a.variances[2 * i + 1] = f.g.variance.high;
      a.likelihood[i] = f.likelihood, a.steps[i] = f.steps, a.converged[i] = f.converged;
    }
  });
  return kDone;
}

int32_t classify_rows(const ClassifyArguments& a, int threads, Memory& memory) {
  const Rows rows(memory, a.width, threads);
  if (memory.failed) return kNoMemory;
  spread(workers(threads, 6.0 * (double)(a.rows * a.width)), (a.rows + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t t, int worker) {
    for (int64_t i = t * kRowsPerTask; i < (t + 1) * kRowsPerTask && i < a.rows; i++) {
      Row r = rows.at(worker);
      read_row(r, a.costs + i * a.width, a.count[i], a.normalize != 0);
      const Gaussians g = {{a.weights[2 * i], a.weights[2 * i + 1]},
                           {a.means[2 * i], a.means[2 * i + 1]},
                           {a.variances[2 * i], a.variances[2 * i + 1]}};
      classify(r, g, a.component + i * a.width, a.score + i * a.width);
    }
  });
  return kDone;
}

}  // namespace
}  // namespace LA_SET
