// SPDX-License-Identifier: Apache-2.0
export type { HttpAnswer, HttpHandler, HttpRequest } from './contract.ts'
export { HttpError, type HttpErrorCode } from './http-error.ts'
export { type HttpPost, type HttpPosted, post } from './http-request.ts'
export { type HttpLimits, HttpServer, type HttpServerOptions, textAnswer } from './http-server.ts'
