import type { CredentialProvider, RegistryCertificates, RegistryMap } from '../registry/index.ts'

/** How a registry is reached, and who we are to it. */
export interface RegistryTrust {
  /** Registries (`host[:port]`, or `*` for all) to be spoken to over plain HTTP, or over TLS without verification. */
  readonly insecureRegistries: readonly string[]
  /**
   * The only hosts (`host[:port]`) that may be connected to, proxies and hosts of redirects included; empty is offline,
   * absent is no limit. It holds for all that the builder itself does, and not for a RUN: see `network`.
   */
  readonly allowedHosts?: readonly string[]
  /** The caller's environment: credentials files, proxies and certificates are found through it. Never given to a RUN. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The one file of credentials, in the format of Docker's config.json; absent is where Docker and Podman look. */
  readonly authFile?: string
  /** Send a request whose failure may pass at least so often again; absent is as often as is usual (5). */
  readonly retries?: number
  /**
   * Where credentials are looked for after the files, in this order: variables as kaniko reads them, or a cloud for its
   * own registries; absent is `env` alone.
   */
  readonly credentialProviders?: readonly CredentialProvider[]
  /** Certificates for one registry each. */
  readonly certificates?: readonly RegistryCertificates[]
  /** Directories like /etc/docker/certs.d, which are looked at before it. */
  readonly certDirs?: readonly string[]
  /** The one registries.conf (version 2) to read; absent is where Podman looks. */
  readonly registriesConf?: string
}

/** How registries are reached. Whatever talks to one takes these. */
export interface RegistryAccess extends RegistryTrust {
  /** Mirrors of whole registries, for what is read; they come before those of registries.conf. */
  readonly registryMaps?: readonly RegistryMap[]
  /** Do not ask a registry of `registryMaps` for what none of its mirrors has. */
  readonly skipDefaultRegistryFallback?: boolean
}

export interface LoginOptions extends RegistryTrust {
  /** `host[:port]`; `docker.io` is Docker Hub. */
  readonly registry: string
  readonly username: string
  /** A password, or an access token that stands in its place. */
  readonly password: string
}

export interface LogoutOptions extends Pick<RegistryTrust, 'environment' | 'authFile'> {
  /** Absent is every registry that the file knows. */
  readonly registry?: string
}

/** What is put where. */
export interface PutTextOptions extends Omit<RegistryTrust, 'insecureRegistries'> {
  readonly url: string
  readonly text: string
}
