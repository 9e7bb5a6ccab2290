import { initBlock } from './block'
import { deflate } from './deflate'
import { initHistogram } from './histogram'
import { BLOCK_MAX, OUTPUT, WINDOW } from './memory'
import { initSymbols } from './symbols'
import { beginFingerprint, fingerprintInput, finishFingerprint, updateFingerprint } from './xxh3'
import './wasi'

initSymbols()
initHistogram()
initBlock()

/** Number of this interface and of the bytes that `deflate_block` gives: a change of either changes it. */
export function abi_version(): u32 {
  return 3
}

export function in_ptr(): usize {
  return WINDOW
}

export function out_ptr(): usize {
  return OUTPUT
}

export function block_max(): u32 {
  return BLOCK_MAX
}

export function deflate_block(dictionaryLength: u32, length: u32, level: u32, final: u32): i32 {
  return deflate(dictionaryLength, length, level, final)
}

/** Starts a fingerprint; returns where its input goes. */
export function fp_init(): usize {
  beginFingerprint()
  return fingerprintInput()
}

export function fp_update(length: u32): u32 {
  return updateFingerprint(length)
}

export function fp_final(length: u32): usize {
  return finishFingerprint(length)
}
