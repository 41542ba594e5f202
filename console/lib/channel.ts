/** Messages between the tabs of this browser. */
export type Message = { type: "signed-in"; userId: string } | { type: "signed-out" };

const NAME = "undercroft";

export function broadcast(message: Message): void {
  const channel = new BroadcastChannel(NAME);
  channel.postMessage(message);
  channel.close();
}

/** Calls the listener for messages of other tabs. Returns a function that stops it. */
export function listen(listener: (message: Message) => void): () => void {
  const channel = new BroadcastChannel(NAME);
  channel.onmessage = (event: MessageEvent<Message>) => listener(event.data);
  return () => channel.close();
}
