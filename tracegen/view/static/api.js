// Asks the server; what goes wrong comes back as an error whose message is one sentence for the reader.

export async function ask(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  let answer;
  try {
    answer = await fetch(`/api/${path}${query.size ? `?${query}` : ""}`, {
      signal,
      headers: { accept: "application/json" },
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is `tracegen view` still running? Start it again, then try again.");
  }
  if (answer.ok) return answer.json();
  if (answer.status === 401 || answer.status === 403) {
    throw new Error(
      "The server asks for its token. Open the whole address that `tracegen view` printed, token included.",
    );
  }
  const said = await answer.json().catch(() => ({}));
  const sentence = said.error ?? `the server answered ${answer.status} to ${path}.`;
  throw Object.assign(new Error(sentence[0].toUpperCase() + sentence.slice(1)), { absent: answer.status === 404 });
}

export const trace = (key, signal) => ask(`trace/${encodeURIComponent(key)}`, {}, signal);
export const problem = (id, signal) => ask(`problem/${encodeURIComponent(id)}`, {}, signal);
