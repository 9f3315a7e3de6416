import type { PeerError } from "../p2p/error.ts";
import type { PeerSession } from "../p2p/session.ts";
import type { Address, ChannelId } from "../protocol/index.ts";
import type { Message, RefuseMessage } from "../wire/message.ts";
import type { ChannelMailbox } from "./channel/mailbox.ts";
import type { Channels } from "./channels.ts";
import type { NodeContext } from "./context.ts";
import type { Opener } from "./opener.ts";

/** Channels of one peer re-established at once: the rest follow as these finish. */
const ESTABLISH_BATCH = 256;

type ChannelMessage = Exclude<
  Message,
  { kind: "hello" | "error" | "openChannel" | "acceptChannel" | "refuse" }
>;

/** The messages of one session that take time, done one after the other. */
interface Line {
  tail: Promise<void> | undefined;
}

/** What an object in a queue costs beside its bytes. */
const MESSAGE_OVERHEAD = 256;

function weight(message: Message): number {
  const hasEntries = message.kind === "update" || message.kind === "returnedUpdate";
  return MESSAGE_OVERHEAD + (hasEntries ? message.update.entries.length : 0);
}

/** Brings messages to the mailboxes they are for, in order, and no further than their sender may reach. */
export class Peers {
  readonly #context: NodeContext;
  readonly #channels: Channels;
  readonly #opener: Opener;
  readonly #lines = new Map<PeerSession, Line>();

  constructor(context: NodeContext, channels: Channels, opener: Opener) {
    this.#context = context;
    this.#channels = channels;
    this.#opener = opener;
  }

  onSession(session: PeerSession): void {
    const { signer } = session.remote;
    this.#lines.set(session, { tail: undefined });
    this.#context.emit("peer", { signer, connected: true });
    void this.#establishAll(session, signer);
  }

  onSessionClosed(session: PeerSession, reason: PeerError): void {
    const { signer } = session.remote;
    this.#lines.delete(session);
    this.#context.backlog.end(session);
    for (const id of this.#channels.ofPeer(signer)) this.#channels.peek(id)?.establisher.end(session);
    this.#opener.onSessionClosed(session);
    const said = reason.code === "remote_error" ? reason.fields.code : undefined;
    this.#context.emit("peer", { signer, connected: false, reason: reason.code, remoteCode: said });
  }

  /** Messages in order. The usual one, an update or acknowledgement of a channel in use, is handed over at once. */
  onMessages(session: PeerSession, messages: readonly Message[]): void {
    const line = this.#lines.get(session);
    if (line === undefined) return;
    for (const message of messages) {
      if (line.tail === undefined && this.#handOver(session, message)) continue;
      this.#enqueue(session, line, message);
    }
  }

  /** The payment path: no promise, no lookup beyond one map. False if the message needs more than that. */
  #handOver(session: PeerSession, message: Message): boolean {
    if (message.kind !== "update" && message.kind !== "ack") return false;
    const mailbox = this.#channels.peek(message.channelId);
    if (mailbox === undefined || mailbox.peer !== session.remote.signer) return false;
    if (message.kind === "update") mailbox.payee.take(message.update, session);
    else mailbox.payer.receiveAck(message.nonce, session);
    return true;
  }

  /** Everything that takes time is done one after the other, so that nothing overtakes. */
  #enqueue(session: PeerSession, line: Line, message: Message): void {
    const { backlog } = this.#context;
    const bytes = weight(message);
    backlog.add(session, bytes);
    const before = line.tail ?? Promise.resolve();
    const tail = before
      .then(() => this.#handle(session, message))
      .catch((error: unknown) => this.#failed(session, error))
      .finally(() => {
        backlog.remove(session, bytes);
        if (line.tail === tail) line.tail = undefined;
      });
    line.tail = tail;
  }

  async #handle(session: PeerSession, message: Message): Promise<void> {
    if (session.closed.aborted || this.#handOver(session, message)) return;
    switch (message.kind) {
      case "hello":
      case "error":
        return; // the session itself deals with them, and is over
      case "openChannel":
        return this.#opener.receiveOpen(message, session);
      case "acceptChannel":
        return this.#opener.receiveAccept(message, session);
      case "refuse":
        return this.#refused(message, session);
      default:
        return this.#toChannel(session, message);
    }
  }

  async #toChannel(session: PeerSession, message: ChannelMessage): Promise<void> {
    const { channelId } = message;
    if (this.#channels.peerOf(channelId) !== session.remote.signer) {
      session.send({ kind: "refuse", channelId, code: "channel_unknown", fields: {} });
      return;
    }
    const mailbox = await this.#channels.load(channelId);
    // Ended meanwhile: the next session may be at work on this channel, and what was left unread is said again there.
    if (session.closed.aborted) return;
    await deliver(mailbox, message, session);
  }

  /** A refusal answers a proposed channel, or a withdrawal of a known one. */
  async #refused(message: RefuseMessage, session: PeerSession): Promise<void> {
    if (this.#opener.receiveRefuse(message, session)) return;
    if (this.#channels.peerOf(message.channelId) !== session.remote.signer) return;
    const mailbox = await this.#channels.load(message.channelId);
    mailbox.withdrawer.receiveRefuse(message.code);
    // The code is a stranger's text: as one of ours it could pass for a failure of this node, and be new every time.
    const said = JSON.stringify({ code: message.code, ...message.fields });
    this.#warn("peer_refused", `the peer refused: ${said}`, message.channelId);
  }

  async #establishAll(session: PeerSession, signer: Address): Promise<void> {
    try {
      let batch: Promise<void>[] = [];
      for (const id of this.#channels.ofPeer(signer)) {
        if (session.closed.aborted) return;
        batch.push(this.#channels.load(id).then((mailbox) => mailbox.establisher.tell(session)));
        if (batch.length < ESTABLISH_BATCH) continue;
        await Promise.all(batch);
        batch = [];
      }
      await Promise.all(batch);
    } catch (error) {
      this.#failed(session, error);
    }
  }

  /** A session that ended takes its own work with it; anything else is a failure of this node. */
  #failed(session: PeerSession, error: unknown): void {
    if (session.closed.aborted || this.#context.stopping.aborted) return;
    this.#context.fail(error);
  }

  #warn(code: string, message: string, channelId: ChannelId | undefined): void {
    this.#context.emit("warning", { code, message, channelId });
  }
}

async function deliver(
  mailbox: ChannelMailbox,
  message: ChannelMessage,
  session: PeerSession,
): Promise<void> {
  switch (message.kind) {
    case "update":
      return mailbox.payee.take(message.update, session);
    case "ack":
      return mailbox.payer.receiveAck(message.nonce, session);
    case "returnedUpdate":
      return mailbox.establisher.receiveReturned(message.update, session);
    case "reestablish":
      return mailbox.establisher.receive(message.reestablish, session);
    case "credited":
      return mailbox.receiveCredited(message.credits, session);
    case "withdrawPropose":
    case "withdrawSign":
      return mailbox.withdrawer.receive(message, session);
    case "closeStop":
      return mailbox.closer.receiveStop(message.sentNonce, session);
    case "closeSign":
      return mailbox.closer.receiveSignature(message, session);
  }
}
