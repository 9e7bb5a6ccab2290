/**
 * What clouds ask of those who use them, by their documented HTTP interfaces: keys and tokens, and requests signed with
 * them. Opens no connection: how a question is asked is handed in.
 */
export * from './ask.ts'
export * from './aws-keys.ts'
export * from './aws-signature.ts'
export * from './azure-signature.ts'
export * from './google-token.ts'
