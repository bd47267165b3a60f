// SPDX-License-Identifier: Apache-2.0
// What Node has no call for, as an addon of its own process: five fixed system calls, and no way to any other. Each answers with 0 or its errno.
#include <errno.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "node-api.h"

static napi_value answer(napi_env env, int32_t number) {
  napi_value value = NULL;
  napi_create_int32(env, number, &value);
  return value;
}

static int32_t descriptor_of(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = NULL;
  int32_t fd = -1;
  const int is_given = napi_get_cb_info(env, info, &count, &argument, NULL, NULL) == napi_ok && count >= 1;
  return is_given && napi_get_value_int32(env, argument, &fd) == napi_ok ? fd : -1;
}

// tryLock(fd): the lock belongs to the open file description, so it ends with the last descriptor of it, and with the process.
static napi_value try_lock(napi_env env, napi_callback_info info) {
  return answer(env, flock(descriptor_of(env, info), LOCK_EX | LOCK_NB) == 0 ? 0 : errno);
}

// tryLockShared(fd): the same, beside others who share it.
static napi_value try_lock_shared(napi_env env, napi_callback_info info) {
  return answer(env, flock(descriptor_of(env, info), LOCK_SH | LOCK_NB) == 0 ? 0 : errno);
}

// seekToEnd(fd): of a device of records (/dev/kmsg), after the last one; Node reads from a position, or from where a file stands, and moves neither.
static napi_value seek_to_end(napi_env env, napi_callback_info info) {
  return answer(env, lseek(descriptor_of(env, info), 0, SEEK_END) >= 0 ? 0 : errno);
}

// makeUndumpable(): also looks whether it was believed.
static napi_value make_undumpable(napi_env env, napi_callback_info info) {
  (void)info;
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return answer(env, errno);
  return answer(env, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : EPERM);
}

// forbidCoreDumps()
static napi_value forbid_core_dumps(napi_env env, napi_callback_info info) {
  (void)info;
  const struct rlimit none = {0, 0};
  return answer(env, setrlimit(RLIMIT_CORE, &none) == 0 ? 0 : errno);
}

static int add(napi_env env, napi_value exports, const char *name, napi_callback function) {
  napi_value value = NULL;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value) == napi_ok &&
         napi_set_named_property(env, exports, name, value) == napi_ok;
}

// Node looks for these two names.
__attribute__((visibility("default"))) int32_t node_api_module_get_api_version_v1(void) { return 8; }

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  const int done = add(env, exports, "tryLock", try_lock) && add(env, exports, "tryLockShared", try_lock_shared) && add(env, exports, "makeUndumpable", make_undumpable) &&
                   add(env, exports, "forbidCoreDumps", forbid_core_dumps) && add(env, exports, "seekToEnd", seek_to_end);
  return done ? exports : NULL;
}
