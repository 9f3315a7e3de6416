/** Something that went wrong outside this code: its message is all that the user needs to see. */
export class Failure extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.name = "Failure";
    this.exitCode = exitCode;
  }
}
