/** Messages between the tabs of this browser. */
export type Message = { type: "signed-in"; userId: string } | { type: "signed-out" };

const NAME = "undercroft";

/** Identifies this tab, which does not listen to itself. */
const TAB = Math.random().toString(36);

interface Envelope {
  from: string;
  message: Message;
}

export function broadcast(message: Message): void {
  const channel = new BroadcastChannel(NAME);
  channel.postMessage({ from: TAB, message } satisfies Envelope);
  channel.close();
}

/** Calls the listener for messages of other tabs. Returns a function that stops it. */
export function listen(listener: (message: Message) => void): () => void {
  const channel = new BroadcastChannel(NAME);
  channel.onmessage = ({ data }: MessageEvent<Envelope>) => {
    if (data.from !== TAB) listener(data.message);
  };
  return () => channel.close();
}
