import { chmod, mkdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * The Dockerfile that the end-to-end tests build and compare: a tree, thousands of files, packages' own programs, a
 * user, owners, removals, a capability, links, and two stages. It needs `--build-arg BASE=`, a distribution image.
 * The backups that useradd writes have the size and time of those in the base, and buildah would not see the change.
 */
export const TWO_STAGE_DOCKERFILE = `ARG BASE
FROM \${BASE} AS build
WORKDIR /work
COPY tree/ ./tree/
RUN mkdir many && for d in $(seq 20); do mkdir many/$d && for i in $(seq 150); do echo "$d $i" > many/$d/$i; done; done
RUN apt-get --version > apt-version

FROM \${BASE}
LABEL org.example.title="two stages" org.example.empty=""
ARG WHO=app
ENV APP_HOME=/srv/app GREETING="hello from \${WHO}"
RUN useradd --create-home --uid 1234 --shell /bin/sh "$WHO" && rm -f /etc/*-
COPY --from=build /work/many /srv/app/many/
COPY --from=build --chown=app:users /work/tree /srv/app/tree/
COPY --chmod=0755 tree/run.sh /usr/local/bin/run
WORKDIR $APP_HOME
RUN chown -R app:www-data tree/sub && chmod 2775 tree/sub && rm -r many/7 /etc/skel && mkdir /etc/skel
RUN cp /usr/bin/head serve && setcap cap_net_bind_service+ep serve && ln serve serve-too && ln -s serve serve-link
RUN rm /usr/share/base-files/motd && mkfifo pipe && touch "name with space" naïve && chmod 0000 pipe
EXPOSE 8080 9090/udp
VOLUME /data
STOPSIGNAL SIGINT
USER app
ENTRYPOINT ["/usr/local/bin/run"]
CMD ["one", "two words"]
`

const RUN_SCRIPT =
  '#!/bin/sh\necho "$GREETING: $(id -un):$(id -gn) in $(pwd), arguments: $*"\nls many | wc -l\n./serve -n 1 many/20/150\n'

/** Writes the Dockerfile and its context into an empty directory. */
export async function writeTwoStageContext(directory: string): Promise<void> {
  const tree = join(directory, 'tree')
  await mkdir(join(tree, 'sub/deep'), { recursive: true })
  await mkdir(join(tree, 'empty'))
  await writeFile(join(directory, 'Dockerfile'), TWO_STAGE_DOCKERFILE)
  await writeFile(join(tree, 'run.sh'), RUN_SCRIPT, { mode: 0o755 })
  await writeFile(join(tree, 'plain.txt'), 'plain\n')
  await writeFile(join(tree, 'sub/deep/data.bin'), Buffer.alloc(300_000, 7))
  await writeFile(join(tree, 'sub/private'), 'only me\n', { mode: 0o600 })
  await symlink('../plain.txt', join(tree, 'sub/link'))
  await symlink('/nowhere', join(tree, 'dangling'))
  for (const path of ['', 'sub', 'sub/deep', 'empty']) await chmod(join(tree, path), 0o755)
  for (const path of ['plain.txt', 'sub/deep/data.bin']) await chmod(join(tree, path), 0o644)
  await chmod(join(tree, 'run.sh'), 0o755)
  for (const path of ['run.sh', 'plain.txt', 'sub'])
    await utimes(join(tree, path), 1_700_000_000, 1_700_000_000)
}
