/** Smaller buffers may be parts of Node's pool, which others use. */
const OWN_BYTES_MIN = 1024 * 1024;

/**
 * Gives the memory of a large buffer back at once; its owner will not use it again. The garbage collector does not hurry
 * for memory outside its heap: reading the index would take three times as much.
 */
export function releaseMemory(bytes: Uint8Array | Uint32Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= OWN_BYTES_MIN) buffer.transfer(0);
}
