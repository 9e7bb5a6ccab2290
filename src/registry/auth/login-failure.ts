/** There is no token to be had. What could be tried again there has been; the registry need not be asked. */
export class LoginFailure extends Error {
  /** The host of the token server. */
  readonly host: string

  constructor(host: string, cause: unknown) {
    super(`Cannot get a token from ${host}`, { cause })
    this.name = 'LoginFailure'
    this.host = host
  }
}
