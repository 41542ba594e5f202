"use strict";

const list = document.getElementById("list");
const empty = document.getElementById("empty");

const showLocalTimes = () => {
  for (const time of document.querySelectorAll("time")) {
    const when = new Date(time.dateTime);
    const today = when.toDateString() === new Date().toDateString();
    time.textContent = list.contains(time)
      ? today ? when.toLocaleTimeString() : when.toLocaleDateString()
      : when.toLocaleString();
  }
};

let shown = list.innerHTML;

const refresh = async () => {
  if (document.hidden) return;
  const answer = await fetch(location.href, { cache: "no-store" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("list");
  if (fresh.innerHTML === shown) return;
  shown = fresh.innerHTML;
  list.replaceChildren(...fresh.childNodes);
  showLocalTimes();
};

const refreshForEver = async () => {
  try {
    await refresh();
  } catch {
    // The server restarts; the next round finds it again.
  }
  setTimeout(refreshForEver, 2000);
};

empty.hidden = false;
empty.addEventListener("click", async () => {
  await fetch("/dev/mailbox/messages", { method: "DELETE" });
  location.assign("/dev/mailbox");
});
document.addEventListener("visibilitychange", refresh);
showLocalTimes();
refreshForEver();
