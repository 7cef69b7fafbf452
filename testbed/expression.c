/* testbed/expression.c - the parser; names and units: expression_check.c, globs: expression_parts.c, values: expression_evaluate.c,
 * what reports show: expression_actual.c. */
#include "testbed/expression.h"

#include <string.h>

#include "sim/assert.h"
#include "testbed/expression_place.h"
#include "testbed/name_range.h"

enum token_kind {
    TOKEN_END,
    TOKEN_OPERATOR,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_CONSTANT,
    TOKEN_WORD,
    TOKEN_BROKEN
};

struct token {
    enum token_kind kind;
    enum expression_operator op;
    uint32_t offset, length;
    enum quantity_kind unit;
    int64_t value;
};

struct parser {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct expression *expression;
    struct token token;
    uint32_t position; /* behind the token */
    uint32_t nodes;
    uint32_t depth;
    uint32_t quantifier; /* the innermost that is open, or SIM_NONE */
    bool broken; /* one error is reported for each expression: what follows it is guesswork */
};

static void fail(struct parser *parser, uint32_t offset, uint32_t length, const char *message)
{
    if (!parser->broken) {
        diagnostics_error(parser->diagnostics, expression_place(parser->expression, offset, length),
                          "%s", message);
    }
    parser->broken = true;
    parser->token.kind = TOKEN_BROKEN;
}

static void fail_quoting(struct parser *parser, const struct token *token, const char *before,
                         const char *after)
{
    char quoted[DIAGNOSTICS_QUOTE_BYTES];
    const char *text =
        arena_copy(parser->arena, parser->expression->text + token->offset, token->length);
    const char *message =
        arena_print(parser->arena, "%s%s%s", before, diagnostics_quote(text, quoted), after);
    fail(parser, token->offset, token->length, message);
}

/* ---- tokens -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    enum expression_operator op;
} symbols[] = {
    {"==", EXPRESSION_EQUAL},
    {"!=", EXPRESSION_UNEQUAL},
    {"<=", EXPRESSION_LESS_OR_EQUAL},
    {">=", EXPRESSION_GREATER_OR_EQUAL},
    {"<", EXPRESSION_LESS},
    {">", EXPRESSION_GREATER},
    {"+", EXPRESSION_ADD},
    {"-", EXPRESSION_SUBTRACT},
    {"*", EXPRESSION_MULTIPLY},
    {"/", EXPRESSION_DIVIDE},
};

static const struct {
    const char *text, *message;
} mistakes[] = {
    {"&&", "'&&' is not an operator; write 'and'"},
    {"||", "'||' is not an operator; write 'or'"},
    {"=<", "'=<' is not an operator; write '<='"},
    {"=>", "'=>' is not an operator; write '>='"},
    {"<>", "'<>' is not an operator; write '!='"},
    {"\"", "words stand without quotes here"},
    {"'", "words stand without quotes here"},
    {"!", "'!' is not an operator; write 'not', or '!=' between two values"},
    {"=", "'=' is not an operator; write '=='"},
};

/* True if a mistake with as many characters stands here; it is then reported. */
static bool lex_mistake(struct parser *parser, const char *at, size_t length)
{
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        if (strlen(mistakes[i].text) == length && strncmp(at, mistakes[i].text, length) == 0) {
            fail(parser, parser->token.offset, (uint32_t)length, mistakes[i].message);
            return true;
        }
    }
    return false;
}

/* Of two beginnings the longer one counts: `=<` is a mistake, though `=` is one, and `<>` though `<` is an operator. */
static void lex_symbol(struct parser *parser)
{
    const char *at = parser->expression->text + parser->token.offset;
    if (lex_mistake(parser, at, 2)) {
        return;
    }
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        size_t length = strlen(symbols[i].text);
        if (strncmp(at, symbols[i].text, length) == 0) {
            parser->token.kind = TOKEN_OPERATOR;
            parser->token.op = symbols[i].op;
            parser->token.length = (uint32_t)length;
            return;
        }
    }
    if (lex_mistake(parser, at, 1)) {
        return;
    }
    parser->token.length = 1;
    fail_quoting(parser, &parser->token, "", " has no meaning in an expression");
}

static bool token_is(const struct parser *parser, const char *word)
{
    size_t length = strlen(word);
    return parser->token.kind == TOKEN_WORD && parser->token.length == length &&
           memcmp(parser->expression->text + parser->token.offset, word, length) == 0;
}

static void lex_word(struct parser *parser)
{
    static const char characters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./*?";
    const char *at = parser->expression->text + parser->token.offset;
    parser->token.kind = TOKEN_WORD;
    parser->token.length = (uint32_t)strspn(at, characters);
    if (token_is(parser, "and")) {
        parser->token.kind = TOKEN_OPERATOR;
        parser->token.op = EXPRESSION_AND;
    } else if (token_is(parser, "or")) {
        parser->token.kind = TOKEN_OPERATOR;
        parser->token.op = EXPRESSION_OR;
    } else if (token_is(parser, "not")) {
        parser->token.kind = TOKEN_OPERATOR;
        parser->token.op = EXPRESSION_NOT;
    }
}

static void next(struct parser *parser)
{
    const char *text = parser->expression->text;
    if (parser->broken) {
        return;
    }
    parser->position += (uint32_t)strspn(text + parser->position, " \t\n");
    const char *at = text + parser->position;
    /* Where a value is expected, `*` begins a glob. */
    bool value_before = parser->token.kind == TOKEN_CONSTANT || parser->token.kind == TOKEN_WORD ||
                        parser->token.kind == TOKEN_CLOSE;
    parser->token = (struct token){.offset = parser->position};
    if (*at == '\0') {
        parser->token.kind = TOKEN_END;
    } else if (*at == '(' || *at == ')') {
        parser->token.kind = *at == '(' ? TOKEN_OPEN : TOKEN_CLOSE;
        parser->token.length = 1;
    } else if (*at >= '0' && *at <= '9') {
        char error[QUANTITY_ERROR_BYTES];
        size_t length;
        bool read = quantity_scan(at, &length, &parser->token.unit, &parser->token.value, error);
        parser->token.kind = TOKEN_CONSTANT;
        parser->token.length = (uint32_t)length;
        if (!read) {
            fail_quoting(parser, &parser->token, "", arena_print(parser->arena, " %s", error));
        }
    } else if ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
               (!value_before && (*at == '*' || *at == '?'))) {
        lex_word(parser);
    } else {
        lex_symbol(parser);
    }
    parser->position = parser->token.offset + parser->token.length;
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static struct expression_node *node_new(struct parser *parser, enum expression_operator op,
                                        const struct token *token)
{
    if (++parser->nodes > EXPRESSION_NODES_MAX) {
        fail(parser, token->offset, token->length, "the expression is too long");
    }
    struct expression_node *node = arena_alloc(parser->arena, sizeof(*node));
    node->op = op;
    node->offset = token->offset;
    node->length = token->length;
    return node;
}

static struct expression_node *node_join(struct parser *parser, enum expression_operator op,
                                         const struct token *token, struct expression_node *left,
                                         struct expression_node *right)
{
    struct expression_node *node = node_new(parser, op, token);
    node->left = left;
    node->right = right;
    return node;
}

static struct expression_node *parse_condition(struct parser *parser);

static struct expression_node *reference_new(struct parser *parser, const struct token *token,
                                             const char *text, const char *dot)
{
    struct expression *expression = parser->expression;
    struct expression_node *node = node_new(parser, EXPRESSION_REFERENCE, token);
    const char *part = arena_copy(parser->arena, text, (size_t)(dot - text));
    const char *property = dot + 1;
    size_t property_length = strlen(property);
    if (dot == text || property_length == 0 || property[property_length - 1] == '.' ||
        strstr(text, "..") != NULL) {
        fail_quoting(parser, token, "",
                     " is not a reference; expected PART.PROPERTY, as in web.state");
        return node;
    }
    if (strpbrk(property, "*?") != NULL) {
        fail_quoting(parser, token, "",
                     ": a glob names parts, no properties; between values '*' stands with spaces");
        return node;
    }
    for (uint32_t i = 0; i < expression->reference_count; i++) {
        const struct expression_reference *other = &expression->references[i];
        if (other->quantifier == parser->quantifier && strcmp(other->part_text, part) == 0 &&
            strcmp(other->property_text, property) == 0) {
            node->reference = i;
            return node;
        }
    }
    SIM_ASSERT(expression->reference_count < EXPRESSION_NODES_MAX);
    node->reference = expression->reference_count++;
    expression->references[node->reference] = (struct expression_reference){
        .part_text = part, .property_text = property, .quantifier = parser->quantifier};
    return node;
}

static const struct {
    const char *word;
    enum expression_operator op;
} quantifiers[] = {
    {"each", EXPRESSION_EACH},   {"any", EXPRESSION_ANY}, {"count", EXPRESSION_COUNT},
    {"min", EXPRESSION_MIN},     {"max", EXPRESSION_MAX}, {"sum", EXPRESSION_SUM},
    {"avg", EXPRESSION_AVERAGE},
};

/* The quantifier that the token is, if a parenthesis follows; otherwise EXPRESSION_OPERATORS. */
static enum expression_operator quantifier_at(const struct parser *parser)
{
    const char *behind = parser->expression->text + parser->position;
    if (behind[strspn(behind, " ")] == '(') {
        for (size_t i = 0; i < sizeof(quantifiers) / sizeof(quantifiers[0]); i++) {
            if (token_is(parser, quantifiers[i].word)) {
                return quantifiers[i].op;
            }
        }
    }
    return EXPRESSION_OPERATORS;
}

static struct expression_node *parse_quantifier(struct parser *parser, enum expression_operator op)
{
    struct expression *expression = parser->expression;
    struct token token = parser->token, open;
    struct expression_node *node = node_new(parser, op, &token);
    uint32_t outer = parser->quantifier;
    if (expression->quantifier_count == EXPRESSION_QUANTIFIERS_MAX) {
        fail(parser, token.offset, token.length, "the expression has too many quantifiers");
        return node;
    }
    node->quantifier = expression->quantifier_count++;
    expression->quantifiers[node->quantifier].local = true;
    if (outer != SIM_NONE) {
        expression->quantifiers[outer].local = false;
    }
    parser->quantifier = node->quantifier;
    next(parser);
    open = parser->token;
    next(parser);
    node->left = parse_condition(parser);
    if (!parser->broken && parser->token.kind != TOKEN_CLOSE) {
        fail(parser, open.offset, 1, "this '(' is never closed");
    }
    parser->quantifier = outer;
    next(parser);
    return node;
}

/* A word alone is a name; with a point in it, a reference. */
static struct expression_node *parse_word(struct parser *parser)
{
    struct token token = parser->token;
    const char *text =
        arena_copy(parser->arena, parser->expression->text + token.offset, token.length);
    const char *dot = strchr(text, '.');
    if (dot != NULL) {
        struct expression_node *reference = reference_new(parser, &token, text, dot);
        next(parser);
        return reference;
    }
    struct expression_node *node = node_new(parser, EXPRESSION_NAME, &token);
    node->word = text;
    if (token_is(parser, "true") || token_is(parser, "false")) {
        node->op = EXPRESSION_CONSTANT;
        node->type = EXPRESSION_TRUTH;
        node->value = token_is(parser, "true");
    } else if (strpbrk(text, "*?") != NULL) {
        fail_quoting(parser, &token, "",
                     " names parts; say which property, as in each(web*.state == running)");
    } else if (strchr(text, '/') != NULL) {
        fail_quoting(parser, &token, "",
                     " is neither a reference nor a word; a division stands between spaces");
    }
    next(parser);
    return node;
}

static struct expression_node *parse_factor(struct parser *parser)
{
    struct token token = parser->token;
    struct expression_node *node;
    if (token.kind == TOKEN_OPEN) {
        next(parser);
        node = parse_condition(parser);
        if (!parser->broken && parser->token.kind != TOKEN_CLOSE) {
            fail(parser, token.offset, 1, "this '(' is never closed");
        }
        next(parser);
        return node;
    }
    if (token.kind == TOKEN_OPERATOR && token.op == EXPRESSION_SUBTRACT) {
        next(parser);
        if (++parser->depth > EXPRESSION_DEPTH_MAX) {
            fail(parser, token.offset, token.length, "the expression is nested too deeply");
        }
        node = node_join(parser, EXPRESSION_NEGATE, &token,
                         parser->broken ? NULL : parse_factor(parser), NULL);
        parser->depth--;
        return node;
    }
    if (token.kind == TOKEN_CONSTANT) {
        node = node_new(parser, EXPRESSION_CONSTANT, &token);
        node->type = EXPRESSION_QUANTITY;
        node->unit = token.unit;
        node->value = token.value;
        next(parser);
        return node;
    }
    if (token.kind == TOKEN_WORD) {
        enum expression_operator op = quantifier_at(parser);
        return op == EXPRESSION_OPERATORS ? parse_word(parser) : parse_quantifier(parser, op);
    }
    if (token.kind == TOKEN_END) {
        fail(parser, token.offset, 1, "the expression ends where a value is expected");
    } else if (!parser->broken) {
        fail_quoting(parser, &token, "expected a value, found ", "");
    }
    return node_new(parser, EXPRESSION_CONSTANT, &token);
}

static bool token_is_operator(const struct parser *parser, enum expression_operator first,
                              enum expression_operator last)
{
    return parser->token.kind == TOKEN_OPERATOR && parser->token.op >= first &&
           parser->token.op <= last;
}

static struct expression_node *parse_product(struct parser *parser)
{
    struct expression_node *left = parse_factor(parser);
    while (token_is_operator(parser, EXPRESSION_MULTIPLY, EXPRESSION_DIVIDE)) {
        struct token token = parser->token;
        next(parser);
        left = node_join(parser, token.op, &token, left, parse_factor(parser));
    }
    return left;
}

static struct expression_node *parse_sum(struct parser *parser)
{
    struct expression_node *left = parse_product(parser);
    while (token_is_operator(parser, EXPRESSION_ADD, EXPRESSION_SUBTRACT)) {
        struct token token = parser->token;
        next(parser);
        left = node_join(parser, token.op, &token, left, parse_product(parser));
    }
    return left;
}

static struct expression_node *parse_comparison(struct parser *parser)
{
    struct expression_node *left = parse_sum(parser);
    if (!token_is_operator(parser, EXPRESSION_EQUAL, EXPRESSION_GREATER_OR_EQUAL)) {
        return left;
    }
    struct token token = parser->token;
    next(parser);
    left = node_join(parser, token.op, &token, left, parse_sum(parser));
    if (token_is_operator(parser, EXPRESSION_EQUAL, EXPRESSION_GREATER_OR_EQUAL)) {
        fail_quoting(parser, &parser->token, "a second comparison ",
                     " in a row; join two with 'and'");
    }
    return left;
}

static struct expression_node *parse_negation(struct parser *parser)
{
    if (!token_is_operator(parser, EXPRESSION_NOT, EXPRESSION_NOT)) {
        return parse_comparison(parser);
    }
    struct token token = parser->token;
    next(parser);
    if (++parser->depth > EXPRESSION_DEPTH_MAX) {
        fail(parser, token.offset, token.length, "the expression is nested too deeply");
        return node_new(parser, EXPRESSION_CONSTANT, &token);
    }
    struct expression_node *node =
        node_join(parser, EXPRESSION_NOT, &token, parse_negation(parser), NULL);
    parser->depth--;
    return node;
}

static struct expression_node *parse_conjunction(struct parser *parser)
{
    struct expression_node *left = parse_negation(parser);
    while (token_is_operator(parser, EXPRESSION_AND, EXPRESSION_AND)) {
        struct token token = parser->token;
        next(parser);
        left = node_join(parser, EXPRESSION_AND, &token, left, parse_negation(parser));
    }
    return left;
}

static struct expression_node *parse_condition(struct parser *parser)
{
    if (++parser->depth > EXPRESSION_DEPTH_MAX) {
        fail(parser, parser->token.offset, parser->token.length,
             "the expression is nested too deeply");
        return node_new(parser, EXPRESSION_CONSTANT, &parser->token);
    }
    struct expression_node *left = parse_conjunction(parser);
    while (token_is_operator(parser, EXPRESSION_OR, EXPRESSION_OR)) {
        struct token token = parser->token;
        next(parser);
        left = node_join(parser, EXPRESSION_OR, &token, left, parse_conjunction(parser));
    }
    parser->depth--;
    return left;
}

struct expression *expression_parse(struct arena *arena, struct diagnostics *diagnostics,
                                    const char *text, struct source_place place, bool one_line)
{
    struct expression *expression = arena_alloc(arena, sizeof(*expression));
    size_t length = strlen(text);
    expression->text = arena_copy(arena, text, length);
    expression->place = place;
    expression->one_line = one_line && strchr(text, '\n') == NULL;
    if (length > EXPRESSION_BYTES_MAX) {
        diagnostics_error(diagnostics, place, "the expression is too long");
        return NULL;
    }
    /* Each reference takes at least three characters, "a.b". */
    expression->references =
        arena_alloc(arena, (length / 3 + 1) * sizeof(expression->references[0]));
    struct parser parser = {.arena = arena,
                            .diagnostics = diagnostics,
                            .expression = expression,
                            .quantifier = SIM_NONE};
    next(&parser);
    expression->root = parse_condition(&parser);
    if (!parser.broken && parser.token.kind != TOKEN_END) {
        fail_quoting(&parser, &parser.token, "expected an operator, found ", "");
    }
    return parser.broken ? NULL : expression;
}

struct source_place expression_place(const struct expression *expression, uint32_t offset,
                                     uint32_t length)
{
    struct source_place place = expression->place;
    if (!expression->one_line) {
        return place;
    }
    /* Columns are characters: bytes that go on with one do not count. */
    for (uint32_t i = 0; i < offset && expression->text[i] != '\0'; i++) {
        place.column += ((unsigned char)expression->text[i] & 0xc0) != 0x80;
    }
    place.width = length;
    return place;
}
