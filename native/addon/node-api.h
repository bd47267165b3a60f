// SPDX-License-Identifier: Apache-2.0
// The part of Node-API that the addon uses. Its ABI is stable over all versions of Node, and a Node of a distribution may come without its headers.
#ifndef SALLYPORT_NODE_API_H
#define SALLYPORT_NODE_API_H

#include <stddef.h>
#include <stdint.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env env, napi_callback_info info);
// An enum in Node's own header.
typedef int napi_status;

#define napi_ok 0
#define NAPI_AUTO_LENGTH SIZE_MAX

napi_status napi_get_cb_info(napi_env env, napi_callback_info info, size_t *count, napi_value *arguments, napi_value *self, void **data);
napi_status napi_get_value_int32(napi_env env, napi_value value, int32_t *result);
napi_status napi_create_int32(napi_env env, int32_t value, napi_value *result);
napi_status napi_create_function(napi_env env, const char *name, size_t length, napi_callback function, void *data, napi_value *result);
napi_status napi_set_named_property(napi_env env, napi_value object, const char *name, napi_value value);

#endif
