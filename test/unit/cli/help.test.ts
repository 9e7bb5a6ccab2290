import { expect, test } from 'vitest'
import { runCli } from '../../support/cli-host.ts'

test('ossb alone says what it is and what it can do', async () => {
  expect((await runCli([])).stdout).toMatchInlineSnapshot(`
    "ossb builds OCI images from Dockerfiles: no daemon, no container runtime, no root.

    Usage: ossb COMMAND [OPTIONS]

    Commands:
      build         Build an image from a Dockerfile.
      copy          Copy an image between registries, OCI layouts, archives and the cache.
      inspect       Say what an image is made of: digests, platforms, configuration, layers.
      index create  Join images for several platforms into one.
      bundle        Gather the images, downloads and repositories of a build into one archive.
      lock          Write down what the images, downloads and repositories of a build are now.
      cache info    Say what the cache holds and how large it is.
      cache prune   Remove cached layers, root file systems and step results.
      cache verify  Read all content of the cache, and remove what is damaged.
      doctor        Say what this environment allows, which executor is used and why.
      login         Check a password for a registry, and keep it where Docker and Podman find it too.
      logout        Remove the password for a registry.
      version       Print the version.

    Examples:
      ossb build -t app:1 .                                       build ./Dockerfile, keep the image in
                                                                  the store as app:1
      ossb copy r.io/app:1 oci:app                                to the directory app, as an OCI layout
      ossb inspect r.io/app:1                                     without pulling it
      ossb index create r.io/app:1 r.io/app:amd64 r.io/app:arm64  join what two machines have pushed
      ossb bundle inputs.tar .                                    gather what a build of ./Dockerfile
                                                                  needs
      ossb lock .                                                 write ./ossb.lock
      ossb cache info --format json                               for a program to read
      ossb cache prune --all --force                              empty the cache without asking
      ossb cache verify                                           after a crash, or on a disk that
                                                                  forgets
      ossb doctor                                                 start here when a build cannot run
      ossb login registry.example.com                             ask for user name and password
      ossb logout registry.example.com                            forget what a login kept

    Exit status:
      0              everything was done
      1              the build or command failed; the message on standard error says why
      2              the command line was wrong; nothing was started
      N              a RUN ended with status N, and so does the builder
      129, 130, 143  ended by SIGHUP, SIGINT (Ctrl-C), SIGTERM
      141            the reader of the output went away

    Run "ossb COMMAND --help" for the options of a command.
    "
  `)
})

test('ossb build --help explains every flag', async () => {
  expect((await runCli(['build', '--help'])).stdout).toMatchInlineSnapshot(`
    "Build an image from a Dockerfile.

    Usage: ossb build [OPTIONS] [CONTEXT]

      CONTEXT  What COPY and ADD take files from: a directory, a tar archive, "-" (a tar archive or a
               Dockerfile on standard input), a git URL (URL#REF:DIRECTORY), or an http(s) URL of an
               archive or a Dockerfile. Default: .

    Input:
      -f, --file FILE                 The Dockerfile, relative to the working directory, or to the
                                      context where that is no directory; "-" reads it from standard
                                      input; an http(s) URL downloads it. Default: CONTEXT/Dockerfile.
          --build-arg NAME[=VALUE]    Value for an ARG. Without =VALUE it comes from the environment, or
                                      is left out when not set there. Repeatable.
          --build-context NAME=CONTEXT
                                      A further context, for FROM NAME, COPY --from=NAME and RUN
                                      --mount=from=NAME: a directory, a tar archive, a git or http(s)
                                      URL, docker-image://REFERENCE, oci-layout://DIRECTORY[:TAG],
                                      oci-archive://FILE[:NAME] or docker-archive://FILE[:NAME]. It
                                      comes before a stage or image called NAME; NAME::PLATFORM is for
                                      one platform. Repeatable.
          --target STAGE              Build this stage and what it needs. Default: the last stage.
          --inputs FILE               Archive of "ossb bundle": images, downloads and repositories in it
                                      are taken from it, and only others from the network.
          --locked                    Build only where each image, download and repository is what the
                                      lock file says. See "ossb lock".
          --lock FILE                 The lock file of --locked. Default: ossb.lock in the context, else
                                      the one in --inputs.
          --platform OS/ARCH          Platform of the image, for example linux/arm64. Repeatable, and
                                      several with commas: they become one index. Default: the machine's
                                      own. Environment: DOCKER_DEFAULT_PLATFORM.
          --frontend NAME             Language of the build file. Default: dockerfile.
          --check                     Look for mistakes instead of building, in all stages or in what
                                      --target needs; ends with status 1 where there are some.
          --call METHOD[,KEY=VALUE…]  What to do: build; check (--check); outline, which lists
                                      arguments, secrets and ssh sockets of the target; or targets,
                                      which lists the stages. Keys: format=text|json, ignorestatus=true.
                                      Default: build.

    Image:
      -t, --tag NAME[:TAG]            Name of the image. Repeatable.
          --registry HOST[/PREFIX]    Put in front of each --tag that names no registry itself.
                                      Environment: OSSB_REGISTRY.
          --label NAME=VALUE          Label of the image. Repeatable.
          --annotation [TYPE:]KEY=VALUE
                                      Annotation of the image. TYPE is manifest, manifest-descriptor,
                                      index or index-descriptor, or several with commas; TYPE[OS/ARCH]
                                      is for one platform. Repeatable.
          --reproducible              No time in what is new but SOURCE_DATE_EPOCH, or 1970 where it is
                                      not set: equal inputs give equal bytes.
          --provenance true|false|KEY=VALUE…
                                      State in the index how the image was made: mode=min, which is
                                      true, or mode=max, with build arguments and the Dockerfile;
                                      builder-id=URL. Default: false.
          --sbom true|false           State in the index what is installed in the image: an SPDX
                                      document. Default: false.
          --attest type=provenance|sbom[,KEY=VALUE…]
                                      The same as --provenance or --sbom.
          --image-format oci|docker   Media types of the manifest and config. Default: oci.
          --compression gzip|zstd|estargz|uncompressed
                                      Compression of new layers; estargz is gzip whose files lazy
                                      readers take one by one. Default: gzip.
          --compression-level N       1 is fast; 9 is small, or 22 for zstd. Default: the codec's own.

    Output:
      -o, --output OUTPUT             Where the result goes: image (the store), tar (./rootfs.tar),
                                      local (./rootfs), a directory, - (a tar on standard output), or
                                      type=image|registry|oci|docker|tar|local[,dest=PATH][,KEY=VALUE…].
                                      Repeatable. Default: image.
          --push                      Push the image to the registries that its tags name.
          --upload-chunk-size SIZE    Push layers in requests of at most this size, for example 50m,
                                      where a proxy allows no larger ones. Default: a layer in one
                                      request, and smaller ones where that is too large.
          --push-ignore-immutable-tag-errors
                                      Leave a tag that its registry does not let go as it is, with a
                                      warning.
          --iidfile FILE              Write the image ID (digest of the config) to this file.
          --metadata-file FILE        Write digests and names of the image to this file, as JSON.
          --profile FILE              Write a trace of when what of the build ran to this file, for
                                      Perfetto; also when it fails.

    Registries:
          --insecure-registry HOST[:PORT]
                                      Registry to be spoken to over plain HTTP, or over TLS without
                                      verification. Repeatable.
          --authfile FILE             The one file of credentials, in the format of Docker's
                                      config.json. Default: where Docker and Podman look.
          --registry-certificate HOST[:PORT]=FILE
                                      Authorities to believe for this registry alone, as a PEM file.
                                      Repeatable.
          --registry-client-cert HOST[:PORT]=CERT,KEY
                                      Certificate and key to show to this registry, as PEM files.
                                      Repeatable.
          --cert-dir DIR              Directory with HOST[:PORT]/*.crt (authorities) and *.cert with
                                      *.key (client certificates), looked at before those of Docker and
                                      Podman. Repeatable.
          --registries-conf FILE      The one registries.conf of Podman's to read: mirrors, locations,
                                      insecure and blocked registries. Default: where Podman looks.
                                      Environment: CONTAINERS_REGISTRIES_CONF.
          --registry-mirror HOST[:PORT][/PREFIX]
                                      Mirror of Docker Hub, asked before it for what is pulled; http://
                                      in front allows plain HTTP. Repeatable. Environment:
                                      OSSB_REGISTRY_MIRROR.
          --registry-map FROM=TO[/PREFIX][,…]
                                      The same for any registry: TO is asked before FROM. Repeatable.
                                      Environment: OSSB_REGISTRY_MAP.
          --skip-default-registry-fallback
                                      Do not ask a registry itself for what its mirrors do not have.

    Network:
          --offline                   Connect to no host and look up no name, but for those of
                                      --allow-host. What RUN may reach is for --network to say.
          --allow-host HOST[:PORT]    Host that may be connected to, and no other: registries, servers
                                      of tokens, targets of redirects, and proxies are each one of their
                                      own. Repeatable. Default: all; with --offline none.

    Execution:
          --executor auto|rootless|local|traced|container
                                      How RUN steps are run: rootless (user namespace), local (as root),
                                      traced (where no namespace is allowed), container (crun or runc);
                                      auto takes the strongest that works here. Default: auto.
                                      Environment: OSSB_EXECUTOR.
          --rootless                  The same as --executor rootless.
          --secret id=ID[,src=FILE|,env=VAR]
                                      Secret for RUN --mount=type=secret, from a file or a variable, at
                                      most 500 KiB; without either from the variable or else the file
                                      named ID. Repeatable.
          --ssh default|ID[=SOCKET|KEY[,KEY]]
                                      SSH agent for RUN --mount=type=ssh: its socket, or private key
                                      files, which ssh-agent then holds. SOCKET,raw=true lets all
                                      through to the agent, not only logins. Repeatable. Default: no
                                      agent; for one without a path $SSH_AUTH_SOCK.
          --network default|none|host
                                      Network of each RUN that names none itself; default is the network
                                      of this machine. Default: default.
          --allow ENTITLEMENT         Let RUN use --network=host (network.host) or --security=insecure
                                      (security.insecure). Repeatable.
          --add-host NAME=ADDRESS     Line for /etc/hosts of each RUN; NAME:ADDRESS is the same,
                                      host-gateway stands for this machine. Repeatable.
          --shm-size SIZE             Size of /dev/shm in each RUN, for example 128m. Default: 64m.
          --ulimit NAME=SOFT[:HARD]   Resource limit of each RUN, for example nofile=4096:65536; -1 is
                                      no limit. Repeatable. Default: nofile with 1024 as the soft limit.
          --qemu PATH                 Emulator for RUN steps of another architecture: a static qemu-ARCH
                                      or qemu-ARCH-static, or a directory with some. Repeatable.
                                      Default: those on PATH. Environment: OSSB_QEMU.
          --parallel N                How many steps run at once. Default: the number of processors.

    Cache:
          --cache-dir DIR             Directory of the content store and the step cache. Default:
                                      $XDG_CACHE_HOME/ossb or ~/.cache/ossb. Environment:
                                      OSSB_CACHE_DIR.
          --no-cache                  Run every step, even one whose result is known.
          --cache-from REF|type=TYPE,KEY=VALUE
                                      Look for results elsewhere, too: in a registry
                                      (type=registry,ref=REF: a cache or an image with one), a directory
                                      (type=local,src=DIR[,tag=TAG|,digest=DIGEST]) or a repository of
                                      kaniko (type=kaniko,ref=REPOSITORY[,ttl=336h]). What cannot be
                                      used costs time and never a build. Repeatable.
          --cache-to REF|type=TYPE,KEY=VALUE
                                      Bring results elsewhere: type=registry,ref=REF,
                                      type=local,dest=DIR[,tag=TAG], type=kaniko,ref=REPOSITORY, or
                                      type=inline for the image itself. mode=max is all steps, mode=min
                                      (the default) those of the image. A failure is a warning, with
                                      ignore-error=false an error. Repeatable.
          --explain                   Say of every step, at the end, why it was or was not taken from a
                                      cache: which input changed, from what to what.

    General:
          --progress auto|tty|plain|json|quiet
                                      How progress is shown, on standard error: live (tty), line by line
                                      (plain), as JSON lines, or not at all; auto is tty on a terminal,
                                      else plain. Default: auto. Environment: BUILDKIT_PROGRESS.
      -q, --quiet                     Show no progress; print the image ID on standard output.
      -h, --help                      Show help for this command.

    Examples:
      ossb build -t app:1 .                              build ./Dockerfile, keep the image in the store
                                                         as app:1
      ossb build -t registry.example.com/app:1 --push .  build and push
      ossb build -o type=oci,dest=app.tar -t app:1 .     write an OCI archive
      ossb build --check .                               look for mistakes in ./Dockerfile
      ossb build --target test -o local .                write the files of stage "test" to ./rootfs
    "
  `)
})

test('ossb cache prune --help', async () => {
  expect((await runCli(['cache', 'prune', '--help'])).stdout).toMatchInlineSnapshot(`
    "Remove cached layers, root file systems and step results.

    Usage: ossb cache prune [OPTIONS]

    Cache:
          --cache-dir DIR             Directory of the content store and the step cache. Default:
                                      $XDG_CACHE_HOME/ossb or ~/.cache/ossb. Environment:
                                      OSSB_CACHE_DIR.
      -a, --all                       Remove images kept by name, too: everything.
          --older-than TIME           Remove only what was not used for so long, for example 12h or 7d.
          --keep-storage SIZE         Remove only what was used least recently, until the cache is no
                                      larger than this, for example 10g.
          --filter KEY=VALUE          Remove only what fits: type=steps, snapshots, downloads or mounts
                                      (several types: any of them), or until=TIME, the same as
                                      --older-than. Repeatable.
          --force                     Do not ask.

    General:
      -h, --help                      Show help for this command.

    Examples:
      ossb cache prune --all --force                       empty the cache without asking
      ossb cache prune --older-than 7d --keep-storage 10g  keep what is of use
    "
  `)
})
