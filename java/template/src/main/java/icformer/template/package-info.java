/**
 * Jinja, with the results of Python's jinja2 as the transformers library sets it up for chat templates: blocks trimmed and
 * stripped, {@code break} and {@code continue}, {@code generation}, {@code tojson}, {@code raise_exception} and {@code
 * strftime_now}, in a sandbox that lets nothing be changed. What is left out says so: other templates ({@code include} and
 * its like), {@code lipsum}, bytes and complex numbers.
 *
 * <p>A template comes out of a model's file and is not trusted. It sees nothing but the values it is given and the
 * functions of this package: no class, method or field of Java, no file and no other template. What it may do is counted
 * by the length of what it reads and makes ({@link icformer.template.Limits}): it ends, and what it makes stays small.
 * Whatever goes wrong in it is a {@link icformer.template.TemplateException}.
 *
 * <p>{@link icformer.template.Lexer} → {@link icformer.template.Parser} →
 * {@link icformer.template.Statement} and {@link icformer.template.Expression}, which evaluate
 * themselves in a {@link icformer.template.Scope}.
 */
@NullMarked
package icformer.template;

import org.jspecify.annotations.NullMarked;
