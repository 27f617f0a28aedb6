// Best overlaps without a matrix: 1,024 priors at a time stay in the cache, and an object is compared with a run of
// thirty-two only if it touches the box around them.
#pragma once
#include "../native/boxes.h"
#include "../native/work.h"

namespace LA_SET {
namespace {

constexpr int kChunk = 1024, kRun = 2 * kFloats, kRuns = kChunk / kRun;

// Priors of one chunk, coordinate by coordinate; lanes without a prior hold an empty box, which touches nothing.
struct Chunk {
  int64_t begin, count;
  float x1[kChunk], y1[kChunk], x2[kChunk], y2[kChunk], size[kChunk];
  float left[kRuns], top[kRuns], right[kRuns], bottom[kRuns];  // around each run
  Box whole;

  LA_INLINE void keep_hulls(float* out) const { std::memcpy(out, left, 4 * sizeof left); }
  LA_INLINE void take_hulls(const float* kept) { std::memcpy(left, kept, 4 * sizeof left); }

  // bit k: run from + k touches the box
  LA_INLINE uint32_t near(Box b, int from) const {
    const I across = (load<F>(right + from) > all(b.x1)) & (all(b.x2) > load<F>(left + from));
    const I down = (load<F>(bottom + from) > all(b.y1)) & (all(b.y2) > load<F>(top + from));
    return lanes(across & down);
  }
};

LA_INLINE void find_chunk(Chunk& c, const Priors& p, int64_t chunk) {
  c.begin = chunk * kChunk;
  c.count = p.count - c.begin < kChunk ? p.count - c.begin : kChunk;
}
// the priors from..to of a chunk
LA_INLINE void load_boxes(Chunk& c, const Priors& p, int64_t image, int from, int to) {
  const float* boxes = p.boxes + (image * p.step + c.begin) * 4;
  const uint8_t* valid = p.valid ? p.valid + image * p.count + c.begin : nullptr;
  const int end = to < c.count ? to : (int)c.count;
  // tame, as boxes.h has it, but without branches, for the compiler to take many at once
  for (int i = from; i < end; i++) {
    const float x1 = boxes[4 * i], y1 = boxes[4 * i + 1], x2 = boxes[4 * i + 2], y2 = boxes[4 * i + 3];
    const bool sound = ((x1 - x1) + (y1 - y1)) + ((x2 - x2) + (y2 - y2)) == 0.0f;
    c.x1[i] = sound ? least(most(x1, -kFar), kFar) : 0.0f, c.y1[i] = sound ? least(most(y1, -kFar), kFar) : 0.0f;
    c.x2[i] = sound ? least(most(x2, -kFar), kFar) : 0.0f, c.y2[i] = sound ? least(most(y2, -kFar), kFar) : 0.0f;
  }
  for (int i = end > from ? end : from; i < to; i++) c.x1[i] = c.y1[i] = c.x2[i] = c.y2[i] = 0.0f;
  for (int i = from; valid && i < end; i++)
    if (!valid[i]) c.x1[i] = c.y1[i] = c.x2[i] = c.y2[i] = 0.0f;
  for (int i = from; i < to; i++) c.size[i] = (c.x2[i] - c.x1[i]) * (c.y2[i] - c.y1[i]);
}
LA_INLINE void load_chunk(Chunk& c, const Priors& p, int64_t image, int64_t chunk) {
  find_chunk(c, p, chunk);
  load_boxes(c, p, image, 0, kChunk);
  const uint8_t* valid = p.valid ? p.valid + image * p.count + c.begin : nullptr;
  const Box none = {kInfinity, kInfinity, -kInfinity, -kInfinity};
  c.whole = none;
  for (int r = 0; r < kRuns; r++) {
    const int at = r * kRun;
    Box hull = none;
    if (valid || at + kRun > c.count) {
      for (int i = at; i < at + kRun; i++)
        if (i < c.count && (!valid || valid[i])) hull = around(hull, {c.x1[i], c.y1[i], c.x2[i], c.y2[i]});
    } else {
      const int more = at + kFloats;
      hull = {smallest(smaller(load<F>(c.x1 + at), load<F>(c.x1 + more))),
              smallest(smaller(load<F>(c.y1 + at), load<F>(c.y1 + more))),
              largest(larger(load<F>(c.x2 + at), load<F>(c.x2 + more))),
              largest(larger(load<F>(c.y2 + at), load<F>(c.y2 + more)))};
    }
    c.left[r] = hull.x1, c.top[r] = hull.y1, c.right[r] = hull.x2, c.bottom[r] = hull.y2;
    c.whole = around(c.whole, hull);
  }
}
LA_INLINE F overlap(const Chunk& c, int at, Box g) {
  const Lanes a = {load<F>(c.x1 + at), load<F>(c.y1 + at), load<F>(c.x2 + at), load<F>(c.y2 + at),
                   load<F>(c.size + at)};
  return iou(a, all(g.x1), all(g.y1), all(g.x2), all(g.y2), all(area(g)));
}

struct Matcher {
  Priors priors;
  Objects objects;
  int64_t chunks;      // of one image
  Box* box;            // [rows], tame
  uint8_t* able;       // [rows]
  int32_t* first_row;  // [images], the first able one or -1
  uint8_t* blank;      // [images], no row has any area: nothing overlaps anything
  int32_t* first_prior;  // [images], the first valid one or -1
  uint32_t* best;      // [rows], bits of the best overlap
  float* peak;         // [rows, chunks], the best overlap inside the chunk
  float* hull;         // [images, chunks, 4, kRuns], around the runs
  float* iou;          // [images, priors]
  int32_t* row;        // [images, priors], -1: none
};

LA_INLINE float* hulls_of(const Matcher& m, int64_t image, int64_t chunk) {
  return m.hull + (image * m.chunks + chunk) * 4 * kRuns;
}

// a box and a label that make sense
LA_INLINE bool formed(const Objects& o, int64_t g) {
  const int64_t label = o.labels[g];
  return formed(box_at(o.boxes + g * 4)) && label >= 0 && (o.classes < 0 || label < o.classes);
}
LA_INLINE void read_objects(const Objects& o, Box* box, uint8_t* able) {
  for (int64_t g = 0; g < o.rows; g++) {
    box[g] = tame(box_at(o.boxes + g * 4));
    able[g] = g < o.offsets[o.images] && !o.ignore[g] && formed(o, g);
  }
}

LA_INLINE bool make_matcher(Matcher& m, const Priors& p, const Objects& o, Memory& memory) {
  m.priors = p, m.objects = o, m.chunks = (p.count + kChunk - 1) / kChunk;
  m.box = memory.take<Box>(o.rows);
  m.able = memory.take<uint8_t>(o.rows);
  m.first_row = memory.take<int32_t>(o.images);
  m.blank = memory.take<uint8_t>(o.images);
  m.first_prior = memory.take<int32_t>(o.images);
  m.best = memory.zeros<uint32_t>(o.rows);
  m.peak = memory.take<float>(o.rows * m.chunks);
  m.hull = memory.take<float>(o.images * m.chunks * 4 * kRuns);
  m.iou = memory.take<float>(o.images * p.count);
  m.row = memory.take<int32_t>(o.images * p.count);
  if (memory.failed) return false;
  read_objects(o, m.box, m.able);
  for (int64_t i = 0; i < o.images; i++) {
    m.first_row[i] = m.first_prior[i] = -1;
    m.blank[i] = 1;
    for (int64_t g = end_of(o, i) - 1; g >= begin_of(o, i); g--) {
      if (m.able[g]) m.first_row[i] = (int32_t)g;
      if (m.box[g].x2 > m.box[g].x1 && m.box[g].y2 > m.box[g].y1) m.blank[i] = 0;
    }
    for (int64_t n = 0; n < p.count && m.first_prior[i] < 0; n++)
      if (!p.valid || p.valid[i * p.count + n]) m.first_prior[i] = (int32_t)n;
  }
  return true;
}

// Best overlap and row of every prior of a chunk, and the objects' best ones inside it.
LA_INLINE void match_chunk(const Matcher& m, int64_t image, int64_t chunk) {
  Chunk c;
  if (!m.blank[image]) load_chunk(c, m.priors, image, chunk), c.keep_hulls(hulls_of(m, image, chunk));
  float best[kChunk];
  int32_t row[kChunk];
  const int32_t first = m.first_row[image];
  for (int i = 0; i < kChunk; i++) best[i] = 0.0f, row[i] = first;
  for (int64_t g = begin_of(m.objects, image); g < end_of(m.objects, image); g++) {
    const Box b = m.box[g];
    float* peak = m.peak + g * m.chunks + chunk;
    *peak = 0.0f;
    if (m.blank[image] || !touches(c.whole, b)) continue;
    F most = all(0.0f);
    const I number = all((int32_t)g);
    const bool able = m.able[g];
    for (int from = 0; from < kRuns; from += kFloats) {
      for (uint32_t near = c.near(b, from); near; near &= near - 1) {
        const int run = (from + __builtin_ctz(near)) * kRun;
        for (int i = run; i < run + kRun; i += kFloats) {
          const F value = overlap(c, i, b), old = load<F>(best + i);
          const I wins = value > old;  // strictly: of equal ones the earlier row stays
          most = larger(value, most);
          if (!able) continue;
          store(best + i, select(wins, value, old));
          store(row + i, select(wins, number, load<I>(row + i)));
        }
      }
    }
    *peak = largest(most);
    if (*peak > 0.0f) raise_to(m.best + g, float_bits(*peak));
  }
  const int64_t begin = chunk * kChunk, at = image * m.priors.count + begin, left = m.priors.count - begin;
  const int64_t count = left < kChunk ? left : kChunk;
  std::memcpy(m.iou + at, best, (size_t)count * 4), std::memcpy(m.row + at, row, (size_t)count * 4);
  for (int64_t i = 0; m.priors.valid && i < count; i++)
    if (!m.priors.valid[at + i]) m.iou[at + i] = 0.0f, m.row[at + i] = -1;
}

LA_INLINE bool needy(const Matcher& m, const Claims& rule, int64_t g) {
  const float best = bits_float(m.best[g]);
  return rule.rescue != kOff && best >= (float)rule.min_iou && (best > 0 || rule.zero_rescues);
}

// Which needy object claims each prior of a chunk (-1: none), once all chunks of the image are matched.
LA_INLINE void claim_chunk(const Matcher& m, const Claims& rule, int64_t image, int64_t chunk, int32_t* claim) {
  float bid[kChunk];
  uint32_t loaded = 0;  // runs; few are needed
  bool hulls = false;
  Chunk c;
  find_chunk(c, m.priors, chunk);
  for (int64_t i = 0; i < kChunk; i++) claim[i] = -1;
  for (int64_t g = begin_of(m.objects, image); g < end_of(m.objects, image); g++) {
    if (!m.able[g] || !needy(m, rule, g)) continue;
    const float best = bits_float(m.best[g]), *peak = m.peak + g * m.chunks;
    if (peak[chunk] != best) continue;
    const bool only_first = !rule.all_ties;
    bool done = false;
    for (int64_t k = 0; only_first && best > 0 && k < chunk; k++) done |= peak[k] == best;
    if (best > 0 && !hulls) c.take_hulls(hulls_of(m, image, chunk)), hulls = true;
    for (int r = 0; r < kRuns && !done; r++) {
      if (best > 0 && !touches({c.left[r], c.top[r], c.right[r], c.bottom[r]}, m.box[g])) continue;
      if (!(loaded >> r & 1)) load_boxes(c, m.priors, image, r * kRun, (r + 1) * kRun), loaded |= 1u << r;
      for (int i = r * kRun; i < (r + 1) * kRun && i < c.count; i += kFloats) {
        const F value = overlap(c, i, m.box[g]);
        for (uint32_t same = lanes(value == all(best)); same && !done; same &= same - 1) {
          const int64_t k = i + __builtin_ctz(same), n = c.begin + k;
          if (k >= c.count || (m.priors.valid && !m.priors.valid[image * m.priors.count + n])) continue;
          if (only_first && best == 0 && n != m.first_prior[image]) continue;
          if (claim[k] < 0 || rule.rescue == kLast || best > bid[k]) claim[k] = (int32_t)g, bid[k] = best;
          done = only_first;
        }
      }
    }
  }
}
static_assert(kRuns <= 32, "one bit per run");

int32_t match(const MatchArguments& a, int threads, Memory& memory) {
  Matcher m;
  if (!sound(a.objects)) return kBadIndex;
  if (!make_matcher(m, a.priors, a.objects, memory)) return kNoMemory;
  const int64_t tasks = a.objects.images * m.chunks, n = a.priors.count;
  threads = matching(threads, a.priors, a.objects);
  spread(threads, tasks, [&](int64_t t, int) { match_chunk(m, t / m.chunks, t % m.chunks); });
  spread(threads, tasks, [&](int64_t t, int) {
    const int64_t image = t / m.chunks, begin = (t % m.chunks) * kChunk, at = image * n + begin;
    int32_t claim[kChunk];
    claim_chunk(m, a.claims, image, t % m.chunks, claim);
    for (int64_t i = 0; i < kChunk && begin + i < n; i++)
      a.iou[at + i] = m.iou[at + i], a.row[at + i] = m.row[at + i], a.claim[at + i] = claim[i];
  });
  for (int64_t g = 0; g < a.objects.rows; g++) a.best[g] = bits_float(m.best[g]);
  return kDone;
}

}  // namespace
}  // namespace LA_SET
