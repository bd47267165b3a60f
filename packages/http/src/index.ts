// SPDX-License-Identifier: Apache-2.0
export type { HttpAnswer, HttpHandler, HttpRequest } from './contract.ts'
export { HttpError, type HttpErrorCode, type HttpFailure } from './http-error.ts'
export { ask, type HttpQuestion, type HttpReply } from './http-request.ts'
export { type HttpLimits, HttpServer, type HttpServerOptions, type HttpTls, textAnswer } from './http-server.ts'
export { withDeadline } from './with-deadline.ts'
