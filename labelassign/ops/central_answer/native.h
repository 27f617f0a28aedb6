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
  auto* iou = memory.take<float>(o.rows * room);
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
      prior[g * room + count] = d.place[k], cost[g * room + count] = d.key[k], iou[g * room + count++] = d.iou[d.place[k]];
    }
    kept[g] = count;
    const bool had = account(p, g, found, a.refused);
    out.reason[g] = (int8_t)(count ? kFine : had ? kRejected : kNoCandidate);
  });
  int64_t contested = 0;
  for (int64_t g = 0; g < o.rows; g++)
    for (int64_t k = g * room; k < g * room + kept[g]; k++) {
      const int64_t at = (int64_t)p.f.image[g] * n + prior[k];
      const int32_t mine = claim_key(b.by_iou, cost[k], iou[k]);
      if (claims[at] == 1) fought[contested++] = (int32_t)at;
      if (claims[at] < 2) claims[at]++;
      if (claims[at] > 1 && !(mine < key[at])) continue;
      out.index[at] = g, key[at] = mine, won[at] = iou[k], out.quality[at] = cost[k];
    }
  spread(a.against < 0 ? 0 : workers(threads, (double)contested * (double)o.rows), a.against < 0 ? 0 : contested,
         [&](int64_t t, int worker) {
    const int64_t at = fought[t];
    float* mine = row + worker * 2 * p.n.judge.padded;
    const Winner w = over_all(all_of_them, at / n, at % n, mine, mine);
    if (w.row < 0) return;
    out.index[at] = w.row, won[at] = w.iou, out.quality[at] = w.cost;
  });
  // what the owners pay, with the penalty of their own pool: of priors that one row wants, row by row; then the others
  const auto best_of = [&](int64_t g, float paid, float u) {
    first[g] = least(paid, first[g]), most_iou[g] = most(u, most_iou[g]);
  };
  const auto reward = [&](int64_t at, int64_t g, float paid, float u) {
    done.award(at);
    out.quality[at] = (float)__builtin_exp(-(double)paid);
    if (!a.share) {
      done.rest.target[at] = u;
      return;
    }
    const double lowest = first[g];
    const double part = __builtin_exp(-(paid - lowest)) / (a.eps != 0 ? 1 + a.eps * __builtin_exp(lowest) : 1.0);
    done.rest.target[at] = (float)(part * most_iou[g]);
  };
  const auto each = [&](int64_t from, int64_t to, auto body) {
    for (int64_t g = from; g < to; g++)
      for (int64_t k = g * room; k < g * room + kept[g]; k++) {
        const int64_t at = (int64_t)p.f.image[g] * n + prior[k];
        if (claims[at] == 1) body(at, g, cost[k], iou[k]);
      }
  };
  const auto fought_over = [&](auto body) {
    for (int64_t k = 0; k < contested; k++) body(fought[k], out.index[fought[k]], out.quality[fought[k]], won[fought[k]]);
  };
  each(0, o.rows, [&](int64_t, int64_t g, float paid, float u) { best_of(g, paid, u); });
  fought_over([&](int64_t, int64_t g, float paid, float u) { best_of(g, paid, u); });
  constexpr int64_t kSome = 16;
  spread(workers(threads, (double)(o.rows * room) * 20), (o.rows + kSome - 1) / kSome, [&](int64_t t, int) {
    each(t * kSome, (t + 1) * kSome < o.rows ? (t + 1) * kSome : o.rows, reward);
  });
  fought_over(reward);
  done.rows();
  return kDone;
}

}  // namespace
}  // namespace LA_SET
