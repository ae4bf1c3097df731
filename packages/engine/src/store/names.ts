/** What leases call unpacked layers: this and the chain id. Blobs are called by their digest. */
export const LAYER_LEASE = 'layer:';
