package icformer;

/**
 * A generated token.
 *
 * @param id its number in the vocabulary
 * @param text what it adds to the text: whole characters, so that it is empty where the token ends inside of one
 */
public record Token(int id, String text) {}
