/**
 * The part of Jinja that chat templates are written in, with the results of Python's jinja2 as the transformers library
 * sets it up: blocks trimmed and stripped, {@code break} and {@code continue}, {@code tojson}, {@code raise_exception} and
 * {@code strftime_now}.
 *
 * <p>A template comes out of a model's file and is not trusted. It sees nothing but the values it is given and the
 * functions of this package: no class, method or field of Java, no file and no other template. What it may do is counted
 * ({@link icformer.template.Budget}): it ends, and what it makes stays small.
 *
 * <p>{@link icformer.template.Lexer} → {@link icformer.template.Parser} →
 * {@link icformer.template.Statement} and {@link icformer.template.Expression}, which evaluate
 * themselves in a {@link icformer.template.Scope}.
 */
@NullMarked
package icformer.template;

import org.jspecify.annotations.NullMarked;
