#include "testbed/yaml_flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/assert.h"

static void print_scalar(FILE *out, const struct yaml_node *node)
{
    size_t length = strlen(node->text);
    bool spaced = length > 0 && (node->text[0] == ' ' || node->text[length - 1] == ' ');
    if (length > 0 && !spaced && strpbrk(node->text, ",[]{}\"\n") == NULL) {
        fputs(node->text, out);
        return;
    }
    fputc('"', out);
    for (const char *at = node->text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            fputc('\\', out);
        }
        fputc(*at == '\n' ? ' ' : *at, out);
    }
    fputc('"', out);
}

static void print_node(FILE *out, const struct yaml_node *node)
{
    if (node->kind == YAML_NODE_SCALAR) {
        print_scalar(out, node);
        return;
    }
    bool list = node->kind == YAML_NODE_SEQUENCE;
    fputc(list ? '[' : '{', out);
    for (const struct yaml_node *child = node->first_child; child != NULL; child = child->next) {
        if (!list) {
            fprintf(out, "%s: ", child->key);
        }
        print_node(out, child);
        fputs(child->next != NULL ? ", " : "", out);
    }
    fputc(list ? ']' : '}', out);
}

const char *yaml_flow_text(struct arena *arena, const struct yaml_node *node)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    SIM_ASSERT(out != NULL);
    print_node(out, node);
    int closed = fclose(out);
    SIM_ASSERT(closed == 0);
    const char *copy = arena_copy(arena, text, length);
    free(text);
    return copy;
}

size_t yaml_flow_piece(const char *text)
{
    uint32_t depth = 0;
    bool quoted = false;
    size_t at = 0;
    for (; text[at] != '\0'; at++) {
        char c = text[at];
        if (quoted) {
            at += c == '\\' && text[at + 1] != '\0' ? 1 : 0;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        } else if (c == ',' && depth == 0) {
            break;
        }
    }
    return at;
}
