// A thread pool of our own: OpenMP runtimes do not survive a fork, and several of them in one process (torch,
// scikit-learn) take the cores from each other.
#pragma once
#include <cstdint>

namespace labelassign {

using Task = void (*)(void* context, int64_t task, int worker);

// Call fn(context, task, worker) once for every task in 0..tasks-1 and return when all are done. The caller is worker
// 0; at most `threads` workers take part, and no two of them at one time have the same number. Which worker does which
// task changes from run to run: results may not depend on it. While the pool is taken by another thread, or from inside
// a task, the caller does all tasks alone. fn may not throw.
void run(int threads, int64_t tasks, Task fn, void* context);

}  // namespace labelassign
