// SPDX-License-Identifier: Apache-2.0
export { type ReceiverCounts, type ReceiverLimits, ShipmentReceiver, type ShipmentReceiverOptions } from './receive/shipment-receiver.ts'
export { ShippingError, type ShippingErrorCode } from './shipping-error.ts'
export { hashToken, type ShippingCredential } from './wire/credentials.ts'
export { type HttpTransportOptions, httpTransport } from './wire/http-transport.ts'
export { type HandlerLimits, type ShipmentHandlerOptions, shipmentHandler } from './wire/shipment-handler.ts'
