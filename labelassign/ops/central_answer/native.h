// Methods whose candidates are known by their centres, whole: lists, who keeps what of them, who wins, and its worth.
#pragma once
#include "../central/contest.h"
#include "../complete/native.h"

namespace LA_SET {
namespace {

int32_t central_answer(const CentralAnswerArguments& a, int threads, Memory& memory) {
  const CentralScene& s = a.scene;
  const Objects& o = s.objects;
  const Answer& out = a.answer;
  const int64_t n = s.priors.count, room = a.topk, total = o.images * n;
  if (!sound(o)) return kBadIndex;
  Prepared p(s);
  const bool dynamic = a.decide == kDynamic;
  if (!prepare(p, s, room, dynamic ? room : 0, false, threads, memory)) return kNoMemory;
  auto* prior = memory.take<int32_t>(o.rows * room);
  auto* cost = memory.take<float>(o.rows * room);
  auto* kept = memory.take<int32_t>(o.rows);
  auto* won = memory.take<float>(total);  // the overlap of who owns a prior
  auto* key = memory.take<int32_t>(total);
  auto* claims = memory.take<uint8_t>(total);
  auto* first = memory.take<float>(o.rows);
  auto* most_iou = memory.take<float>(o.rows);
  auto* fought = memory.take<int32_t>(o.rows * room);
  float* row = memory.take<float>(p.n.judge.padded * 2 * threads);
  const Completion done(s.priors, o, out, memory);
  Bench b = {s, &p.n.judge, &p.n.judge, nullptr, a.by_iou != 0, p.f.able, {}};
  if ((a.against >= 0 && !b.rows.take(o.rows, memory)) || memory.failed) return kNoMemory;
  CentralScene arena = s;
  arena.region.pool = a.against;
  const Bench all_of_them = {arena, b.first, b.second, nullptr, b.by_iou, b.able, b.rows};
  for (int64_t i = 0; i < o.images; i++) a.refused[i] = 0;
  for (int64_t g = 0; g < o.rows; g++) {
    first[g] = kInfinity, most_iou[g] = 0.0f;
    if (a.against >= 0) b.rows.put(g, p.f.asker[g]);
  }
  look_around(p, threads, [&](int64_t image, int64_t from, int64_t to) {
    if (from >= to) return;
    done.nobody(image * n + from, image * n + to);
    std::memset(claims + image * n + from, 0, (size_t)(to - from));
  });
  const Ranked r = {p.f, p.n, room, dynamic ? room : 0, dynamic, false, false, p.unsound};
  spread(threads, o.rows, [&](int64_t g, int worker) {
    Desk16& d = p.desk[worker];
    Found found;
    rank_row(r, g, d, found);
    int32_t count = 0;
    for (int64_t k = 0; k < found.list.held; k++) {
      if (a.decide == kInside && !owns(s, p.f.asker[g], p.f.image[g], d.place[k])) continue;
      prior[g * room + count] = d.place[k], cost[g * room + count++] = d.key[k];
    }
    kept[g] = count;
    const bool had = account(p, g, found, a.refused);
    out.reason[g] = (int8_t)(count ? kFine : had ? kRejected : kNoCandidate);
  });
  const auto overlap = [&](int64_t image, int64_t g, int64_t at) {
    const int64_t lane = image * p.f.stride + at;
    return overlap_of(s.rule.overlap, {p.n.x1[lane], p.n.y1[lane], p.n.x2[lane], p.n.y2[lane]}, p.f.asker[g].box);
  };
  int64_t contested = 0;
  for (int64_t g = 0; g < o.rows; g++)
    for (int64_t k = g * room; k < g * room + kept[g]; k++) {
      const int64_t image = p.f.image[g], at = image * n + prior[k];
      const float u = overlap(image, g, prior[k]);
      const int32_t mine = claim_key(b.by_iou, cost[k], u);
      if (claims[at] < 2 && ++claims[at] == 2) fought[contested++] = (int32_t)at;
      if (out.index[at] < 0 || mine < key[at]) out.index[at] = g, key[at] = mine, won[at] = u, out.quality[at] = cost[k];
    }
  if (a.against < 0) contested = 0;
  spread(workers(threads, (double)contested * (double)o.rows), contested, [&](int64_t t, int worker) {
    const int64_t at = fought[t];
    float* mine = row + worker * 2 * p.n.judge.padded;
    const Winner w = over_all(all_of_them, at / n, at % n, mine, mine);
    if (w.row < 0) return;
    out.index[at] = w.row, won[at] = w.iou, out.quality[at] = w.cost;
  });
  // what the owners pay, with the penalty of their own pool
  const auto each = [&](auto body) {
    for (int64_t g = 0; g < o.rows; g++)
      for (int64_t k = g * room; k < g * room + kept[g]; k++) {
        const int64_t at = (int64_t)p.f.image[g] * n + prior[k];
        if (out.index[at] >= 0 && claims[at]) body(at);
      }
  };
  each([&](int64_t at) {
    const int64_t g = out.index[at];
    first[g] = least(out.quality[at], first[g]), most_iou[g] = most(won[at], most_iou[g]);
  });
  each([&](int64_t at) {
    const int64_t g = out.index[at];
    claims[at] = 0;  // once for each prior
    done.award(at);
    const double paid = out.quality[at], lowest = first[g];
    out.quality[at] = (float)__builtin_exp(-paid);
    if (!a.share) {
      done.rest.target[at] = won[at];
      return;
    }
    const double part = __builtin_exp(-(paid - lowest)) / (a.eps != 0 ? 1 + a.eps * __builtin_exp(lowest) : 1.0);
    done.rest.target[at] = (float)(part * most_iou[g]);
  });
  done.rows();
  return kDone;
}

}  // namespace
}  // namespace LA_SET
