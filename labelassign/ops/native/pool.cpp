#include "pool.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include "threads.h"

namespace labelassign {
namespace {

constexpr int kThreads = 64;
// The runs of one op follow each other within microseconds, the ops of one assignment within tens of them. A worker that
// still spins begins in half a microsecond, one that sleeps in 20 to 30, and waking it holds the caller up for 10.
constexpr int64_t kSpin = 50'000;  // nanoseconds

// The job on offer, in one word so that a worker joins it in one step: its number, how many workers may take part (0:
// closed), and how many are inside. The fields of the job change only while it is closed and nobody is inside; so a
// worker that comes late finds it closed, and the caller never waits for one that still sleeps.
constexpr uint64_t kInside = 1, kOpen = 1 << 8, kNumber = 1 << 16;
int inside(uint64_t offer) { return static_cast<int>(offer & 0xff); }
int open(uint64_t offer) { return static_cast<int>(offer >> 8 & 0xff); }
uint64_t number(uint64_t offer) { return offer >> 16; }

struct Pool;

struct Worker {
  Pool* pool;
  int id;
  std::atomic<bool> sleeping{false};
  Sleep sleep;
};

struct Pool {
  explicit Pool(long owner) : owner(owner) {}
  const long owner;                // the process whose threads these are
  std::atomic<bool> taken{false};  // by the one caller that may use the workers
  int started = 0;                 // workers 1..started run
  bool refused = false;            // the system gave no further thread
  Task fn = nullptr;
  void* context = nullptr;
  int64_t tasks = 0;
  Worker workers[kThreads];
  char apart[64];  // every waiting worker reads the first, every working one writes the second: not in one cache line
  std::atomic<uint64_t> offer{0};
  char more[64];
  std::atomic<int64_t> next{0};

  void work(int worker) {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) fn(context, task, worker);
  }
};

bool offered(const Worker& me, uint64_t offer, uint64_t seen) { return number(offer) != seen && me.id < open(offer); }

// Wait for a job that this worker has not seen and may join.
void await(Worker& me, uint64_t seen) {
  std::atomic<uint64_t>& offer = me.pool->offer;
  const int64_t until = nanoseconds() + kSpin;
  do {
    for (int k = 0; k < 32; k++) {
      if (offered(me, offer.load(std::memory_order_relaxed), seen)) return;
      pause();
    }
    yield();
  } while (nanoseconds() < until);
  me.sleep.lock();
  me.sleeping.store(true);  // before the look at the offer, as the caller looks at it after its offer: one sees the other
  while (!offered(me, offer.load(), seen)) me.sleep.wait();
  me.sleeping.store(false);
  me.sleep.unlock();
}

void live(void* argument) {
  Worker& me = *static_cast<Worker*>(argument);
  std::atomic<uint64_t>& offer = me.pool->offer;
  for (uint64_t seen = 0;;) {
    await(me, seen);
    uint64_t found = offer.load(std::memory_order_relaxed);
    if (!offered(me, found, seen)) continue;
    if (!offer.compare_exchange_weak(found, found + kInside, std::memory_order_acquire)) continue;
    seen = number(found);
    me.pool->work(me.id);
    offer.fetch_sub(kInside, std::memory_order_release);
  }
}

void wake(Pool& pool, int threads) {
  for (int id = 1; id < threads; id++) {
    Worker& worker = pool.workers[id];
    if (!worker.sleeping.load()) continue;
    worker.sleep.lock();
    worker.sleep.wake();
    worker.sleep.unlock();
  }
}

void share(Pool& pool, int threads, int64_t tasks, Task fn, void* context) {
  while (pool.started + 1 < threads && !pool.refused) {
    const int id = pool.started + 1;
    pool.workers[id].pool = &pool;
    pool.workers[id].id = id;
    if (start<live>(&pool.workers[id])) pool.started = id;
    else pool.refused = true;
  }
  if (threads > pool.started + 1) threads = pool.started + 1;
  pool.fn = fn, pool.context = context, pool.tasks = tasks;
  pool.next.store(0, std::memory_order_relaxed);
  const uint64_t job = (number(pool.offer.load(std::memory_order_relaxed)) + 1) * kNumber;
  pool.offer.store(job + threads * kOpen);
  wake(pool, threads);
  pool.work(0);
  uint64_t left = pool.offer.fetch_sub(threads * kOpen, std::memory_order_acq_rel);
  for (int k = 1; inside(left) != 0; k++) {
    k % 32 ? pause() : yield();
    left = pool.offer.load(std::memory_order_acquire);
  }
}

// This process's pool; nullptr if there is no memory for one. After a fork the threads of the parent's do not exist here
// and its locks may be held by one of them: it is left behind as it is.
Pool* mine() {
  static std::atomic<Pool*> current{nullptr};
  Pool* pool = current.load(std::memory_order_acquire);
  const long self = process();
  if (pool != nullptr && pool->owner == self) return pool;
  void* memory = std::malloc(sizeof(Pool));
  if (memory == nullptr) return nullptr;
  Pool* fresh = new (memory) Pool(self);
  if (current.compare_exchange_strong(pool, fresh, std::memory_order_acq_rel)) return fresh;
  std::free(memory);  // another thread was first
  return pool;
}

}  // namespace

void run(int threads, int64_t tasks, Task fn, void* context) {
  if (threads > tasks) threads = static_cast<int>(tasks);
  if (threads > kThreads) threads = kThreads;
  Pool* pool = threads > 1 ? mine() : nullptr;
  if (pool == nullptr || pool->taken.exchange(true, std::memory_order_acquire)) {
    for (int64_t task = 0; task < tasks; task++) fn(context, task, 0);
    return;
  }
  share(*pool, threads, tasks, fn, context);
  pool->taken.store(false, std::memory_order_release);
}

}  // namespace labelassign
