/** Resources that are opened one after another and released together, the last one first. */
export interface Holding extends AsyncDisposable {
  /** Takes a resource over. @returns it */
  hold<T extends AsyncDisposable>(resource: T): T
  /**
   * Gives everything that is held to the caller, who releases it by calling the result; disposing of the holding then
   * releases nothing. What fails before this call leaves nothing open.
   */
  handOver(): () => Promise<void>
}

/** A failure to release one resource keeps none of the others from being released; the first failure is thrown. */
export function createHolding(): Holding {
  const held: AsyncDisposable[] = []
  return {
    hold(resource) {
      held.push(resource)
      return resource
    },
    handOver() {
      const resources = held.splice(0)
      return () => releaseAll(resources)
    },
    [Symbol.asyncDispose]: () => releaseAll(held),
  }
}

async function releaseAll(resources: AsyncDisposable[]): Promise<void> {
  const failures: unknown[] = []
  for (const resource of resources.splice(0).reverse()) {
    try {
      await resource[Symbol.asyncDispose]()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
