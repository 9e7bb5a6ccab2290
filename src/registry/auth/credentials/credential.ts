/** What proves who we are to a registry, and where it was found (for error hints; `source` holds no secret). */
export type Credential = { readonly source: string } & (
  | { readonly type: 'basic'; readonly username: string; readonly password: string }
  /** An OAuth 2 refresh token, which is traded for access tokens. */
  | { readonly type: 'identity-token'; readonly token: string }
  /** A ready access token, sent as it is. */
  | { readonly type: 'access-token'; readonly token: string }
)

/** What a credential is wanted for. */
export interface CredentialRequest {
  /** As references name it: `docker.io`, `r.io:5000`. */
  readonly registry: string
  readonly repository: string
}

/** A place where credentials may be found. `undefined` when it has none for this. */
export interface CredentialSource {
  /** For people: `the file /home/u/.docker/config.json`. */
  readonly name: string
  find(request: CredentialRequest, signal: AbortSignal): Promise<Credential | undefined>
}
