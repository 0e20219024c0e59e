#!/usr/bin/env python3
"""goldens.json: templates, values, and the text that transformers makes of them.

    make_goldens.py [TESTDATA] > goldens.json          (transformers 4.57, jinja2 3.1)

A case's template stands in it, or, for the published ones of the test data, "file" names the
tokenizer_config.json that holds it. Cases with "status" must fail in transformers too.
"""
import json
import os
import sys

import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

assert transformers.__version__.startswith("4.57."), transformers.__version__

CHAT = [
    {"role": "system", "content": "You are brief.  "},
    {"role": "user", "content": " Who wrote “Emma”? It's <old>.\n"},
    {"role": "assistant", "content": "Jane Austen."},
    {"role": "user", "content": "When?"},
]
TOOL = {"type": "function", "function": {"name": "look_up", "description": 'Looks "it" up', "parameters": {
    "type": "object", "properties": {"title": {"type": "string"}, "year": {"type": ["integer", "null"]}}, "required": ["title"]}}}
CALL = CHAT[:2] + [
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call00001", "type": "function", "function": {"name": "look_up", "arguments": {"title": "Emma", "year": 1815, "exact": 0.5}}}]},
    {"role": "tool", "content": "{\"found\": true}", "name": "look_up", "tool_call_id": "call00001"},
    {"role": "assistant", "content": "<think>\nlet me see\n</think>\n\nIn 1815.", "reasoning_content": None},
    {"role": "user", "content": [{"type": "text", "text": "Thanks"}, {"type": "image"}, {"type": "text", "text": "!"}]},
]
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True}

# The ways in which chat templates of well-known families are written.
CHATS = {
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
              "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "default system": "{%- if messages[0]['role'] == 'system' -%}\n    {%- set system_message = messages[0]['content'] -%}\n"
                      "    {%- set rest = messages[1:] -%}\n{%- else -%}\n    {%- set system_message = 'none' -%}\n"
                      "    {%- set rest = messages -%}\n{%- endif -%}\n{{ bos_token }}[SYS]{{ system_message | trim }}[/SYS]\n"
                      "{%- for m in rest %}\n    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}\n"
                      "        {{- raise_exception('roles must alternate') }}\n    {%- endif %}\n"
                      "    {%- if m.role == 'user' %}\n        {{- '[INST] ' + m.content + ' [/INST]' }}\n"
                      "    {%- elif m.role == 'assistant' %}\n        {{- m.content + eos_token }}\n    {%- endif %}\n{%- endfor %}\n",
    "header ids": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start|>' + message['role'] "
                  "+ '<|end|>\n\n' + message['content'] | trim + '<|eot|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + "
                  "content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant<|end|>\n\n' }}{% endif %}",
    "turns, no system": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set messages = messages[1:] %}{% endif %}"
                        "{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}"
                        "{% set role = message['role'] %}{% endif %}{{ '<turn>' + role + '\n' + message['content'] | trim + '</turn>\n' }}"
                        "{% endfor %}{% if add_generation_prompt %}{{'<turn>model\n'}}{% endif %}",
    "lines": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n"
             "{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n"
             "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
             "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    "generation marks": "{% for m in messages %}{% if m.role == 'assistant' %}A: {% generation %}{{ m.content }}{% endgeneration %}\n"
                        "{% else %}{{ m.role | capitalize }}: {{ m.content }}\n{% endif %}{% endfor %}",
}
TOOLS = {
    "tools in system": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- elif message.content is iterable and message.content is not string %}
        {%- set content = message.content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join('') %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- if reasoning_content %}{{- '(' + reasoning_content.strip('\\n') + ')' }}{%- endif %}
        {%- for tool_call in message.tool_calls or [] %}
            {%- if (loop.first and content) or (not loop.first) %}
                {{- '\\n' }}
            {%- endif %}
            {%- if tool_call.function %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {%- if tool_call.arguments is string %}
                {{- tool_call.arguments }}
            {%- else %}
                {{- tool_call.arguments | tojson }}
            {%- endif %}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + content + '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    "macros and types": """{%- macro json_type(t) -%}
{%- if t is string -%}{{ {"string": "str", "integer": "int"}[t] or t }}
{%- elif t is sequence -%}{% for x in t %}{{ json_type(x) }}{{ " | " if not loop.last }}{% endfor %}
{%- else -%}any{%- endif -%}
{%- endmacro -%}
{%- macro describe(f, indent=0) -%}
def {{ f.name }}(
{%- for key, val in f.parameters.properties.items() -%}
{{ key }}: {{ json_type(val.type) }}{{ "" if key in f.parameters.required else " = None" }}{{ ", " if not loop.last }}
{%- endfor -%}
): {{ f.description | replace('"', "'") }}
{%- endmacro -%}
{%- for tool in tools | default([]) %}
{{ describe(tool.function, indent=2) }}
{%- endfor %}
{{ tools | tojson(indent=2) }}
{%- for message in messages if message.role != 'system' %}
{{ loop.index }}/{{ loop.length }} {{ message.role | upper }}
{%- if message.content is not string and message.content is not none %}
{%- for block in message['content'] %}{{ block.text if block.type == 'text' else '[IMG]' }}{% endfor %}
{%- endif %}
{%- if message.get('tool_calls') %}{% set out = message.tool_calls[0].function | tojson %}{{ out[:-1] }}..{{ message.tool_calls[0].id[-3:] }}{% endif %}
{%- endfor %}
""",
}
# One thing each: blanks, expressions, filters, tests, methods.
SNIPPETS = [
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n\n", "  {{ 1 }}\n  {{- 2 -}}  \n 3", "x {%- if 1 -%} y {%- endif -%} z",
    "{# one #}\n  {# two #}  \nthree {#- four -#} five", "  {%+ if 1 %}  a{% endif %}", "{% if 1 +%}\na{% endif %}",
    "{% raw %}\n{{ not }} {% this %}\n{% endraw %}\nend", "{% set x %}one {{ 2 }}{% endset %}[{{ x }}]",
    "{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 % 3 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1.5 * 2 }} {{ 10 ~ 'a' ~ none }}",
    "{{ 0.1 + 0.2 }} {{ 100.0 }} {{ 1e20 }} {{ 1e-7 }} {{ 3.0 // 2 }} {{ 1 / 3 }} {{ 12345678.9 }}",
    "{{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ [1, 2] == [1, 2] }} {{ {'a': 1} == {'a': 1.0} }} {{ 'é' > 'z' }}",
    "{{ 'a' in 'cat' }} {{ 2 in [1, 2] }} {{ 'k' in {'k': 1} }} {{ 'x' not in 'cat' }} {{ not 'x' in 'cat' }}",
    "{{ 1 and 2 }} {{ 0 or 'x' }} {{ not 0 }} {{ '' or none or [] or 'last' }} {{ 1 if 0 else 2 }} [{{ 1 if 0 }}]",
    "{{ [1, 'a', none, true, 1.5, {'k': \"it's\"}] }} {{ {'a': [1], 'b': 'x\"y'} }} {{ 'q\\'s' }}",
    "{{ 'héllo'[1] }} {{ 'héllo'[-2:] }} {{ 'héllo'[::-1] }} {{ [1,2,3,4][1:3] }} {{ [1,2,3][5:] }} {{ 'abc'[:-5] }} {{ [1,2,3,4,5][::2] }} {{ [1,2,3][-1] }}",
    "{{ missing }}[{{ missing is defined }}]{{ missing | default('d') }}{{ '' | default('e', true) }}{{ none | default('f') }}",
    "{{ x.y }}{{ x['y'] }}{{ x.z is defined }}{{ x.list.0 }}{{ x.list[1] }}{{ x.get('y') }}{{ x.get('n', 7) }}{{ x.get('n') }}",
    "{{ ' a b ' | trim }}|{{ 'xxaxx' | trim('x') }}|{{ 'aBc' | upper }}{{ 'aBc' | lower }}{{ 'aBc' | capitalize }}|{{ 'two words' | title }}",
    "{{ [1,2,3] | join(', ') }} {{ [3,1,2] | sort | join }} {{ ['b','A','c'] | sort | join }} {{ [1,2,3] | reverse | list }} {{ [1,1,2] | unique | list }}",
    "{{ [1,2,3] | first }}{{ [1,2,3] | last }}{{ 'abc' | length }}{{ 'abc' | list }}{{ x | length }}{{ 'ab' | first }}{{ [] | first }}",
    "{{ '42' | int + 1 }} {{ 'x' | int }} {{ '2.5' | float }} {{ 3.9 | int }} {{ -5 | abs }} {{ 5 | string + '!' }} {{ none | string }}",
    "{{ list | map(attribute='n') | join('-') }} {{ list | selectattr('ok') | map(attribute='n') | list }} {{ list | rejectattr('n', 'eq', 1) | list | length }} {{ [1,2,3,4] | select('odd') | list }} {{ [1,2,3] | reject('equalto', 2) | list }} {{ ['a','b'] | map('upper') | join }}",
    "{{ 'one\ntwo\n\nthree' | indent(2) }}|{{ 'a\nb' | indent(3, true) }}|{{ 'a<b>&\"' | escape }}|{{ 'aXbX' | replace('X', 'y') }}",
    "{{ x | tojson }} {{ x | tojson(indent=2) }} {{ 'é\"\\\\\n\t' | tojson }} {{ [] | tojson }} {{ {} | tojson(indent=2) }} {{ [1.0, true, none] | tojson }}",
    "{{ 1 is number }}{{ 1 is integer }}{{ 1.0 is float }}{{ true is boolean }}{{ 'a' is string }}{{ x is mapping }}{{ [] is sequence }}{{ [] is iterable }}{{ none is none }}{{ 3 is odd }}{{ 3 is even }}{{ 6 is divisibleby 3 }}{{ 6 is divisibleby(4) }}{{ true is true }}{{ 1 is eq 1 }}{{ 2 is in [1,2] }}{{ 1 is not none }}{{ 1 is lt 2 }}",
    "{{ 'a,b,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a,b,c'.split(',', 1) }}{{ 'a\nb\r\nc\n'.splitlines() }}{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'bc')) }}{{ 'abc'.removeprefix('a') }}{{ 'abc'.removesuffix('c') }}{{ 'abc'.find('c') }}{{ 'aXa'.count('a') }}{{ '12'.isdigit() }}{{ '-'.join(['a', 'b']) }}{{ 'aa'.replace('a', 'b', 1) }}{{ 'xay'.strip('xy') }}|{{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ 'ab'.upper() }}{{ 'aB'.title() }}",
    "{% for k, v in x.items() %}{{ k }}={{ v }};{% endfor %}{% for k in x %}{{ k }}{% endfor %}{{ x.keys() | list }}{{ x.values() | list | length }}{% for k, v in {'b': 1, 'a': 2} | items %}{{ k }}{{ v }}{% endfor %}",
    "{% for i in range(3) %}{{ i }}{% else %}none{% endfor %}{% for i in [] %}x{% else %}none{% endfor %}{% for i in range(10, 0, -3) %}{{ i }} {% endfor %}",
    "{% for i in [1,2,3,4,5] %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in [1,2,3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}",
    "{% for i in [5,6,7,8] if i is even %}{{ loop.index }}:{{ i }} {% endfor %}", "{% for a, b in [[1, 2], [3, 4]] %}{{ a }}{{ b }}{% endfor %}",
    "{% set x = 1 %}{% for i in [1,2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}",
    "{% set ns = namespace(n=0, found=false) %}{% for i in [1,2,3] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}{{ ns.found }}{{ ns.none is defined }}",
    "{% macro f(a, b='B', c=none) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, 2) }} {{ f(1, c=3) }} {{ f(b=1, a=2) }}",
    "{% macro down(n) %}{{ n }}{% if n > 0 %}{{ down(n - 1) }}{% endif %}{% endmacro %}{{ down(5) }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set t = (1, 2) %}{{ t[1] }}{{ 'a' 'b' }}{{ 'x' * 3 }}{{ [0] * 2 }}{{ [1] + [2] }}",
    "{{ dict(a=1, b=2) }}{{ {'a': {}} }}{{ {} }}{{ {'a': 1,} }}{{ [1,] }}", "{{ '\\u00e9\\x41\\n|\\\\d' }}", "{{ \"\" if not x else x.y ~ \"!\" }}",
    "{%- for m in list -%}\n  {{- m.n }}\n{% endfor -%}\n  end", "\n\n{{ 1 }}\n\n", "a\r\nb{{ '\r\n' | length }}", "{{ x.y if x.y is defined and x.y is not none else 'no' }}",
]
FAILING = [  # text, status
    ("{{ missing.part }}", "E_BAD_INPUT"), ("{{ missing + 'a' }}", "E_BAD_INPUT"), ("{{ 1 + 'a' }}", "E_BAD_INPUT"), ("{{ 'a' < 1 }}", "E_BAD_INPUT"),
    ("{{ raise_exception('no such role') }}", "E_BAD_INPUT"), ("{% if %}a{% endif %}", "E_BAD_INPUT"), ("{% for i in %}{% endfor %}", "E_BAD_INPUT"),
    ("{{ 1", "E_BAD_INPUT"), ("{% if 1 %}", "E_BAD_INPUT"), ("{{ 'a }}", "E_BAD_INPUT"), ("{# a", "E_BAD_INPUT"), ("{{ 1 / 0 }}", "E_BAD_INPUT"),
    ("{{ x | no_such_filter }}", "E_UNSUPPORTED"), ("{% endfor %}", "E_UNSUPPORTED"), ("{{ nothing() }}", "E_BAD_INPUT"), ("{% set x.y = 1 %}", "E_BAD_INPUT"),
    ("{% for i in 5 %}{% endfor %}", "E_BAD_INPUT"), ("{% set a, b = [1] %}", "E_BAD_INPUT"), ("{% break %}", "E_BAD_INPUT"),
]
VARS = {"x": {"y": "Y", "list": ["p", "q"]}, "list": [{"n": 1, "ok": True}, {"n": 2, "ok": False}, {"n": 3, "ok": True}]}
PUBLISHED = ["tokenizers/ort-extensions/added-tokens", "tokenizers/ort-extensions/phi-3", "tokenizers/ort-extensions/tokenizer/phi-3-small"]


def case(name, template, values, **more):
    out = {"name": name, "template": template, "vars": values, **more}
    try:
        out["text"] = _compile_jinja_template(template).render(**values)
    except Exception as e:
        if "status" not in out:
            raise RuntimeError(f"{name}: {e}") from e
    assert ("status" in out) != ("text" in out), name
    return out


def main():
    cases = []
    for name, template in CHATS.items():
        cases.append(case(name, template, {"messages": CHAT, **SPECIAL}))
        cases.append(case(name + ", one message", template, {"messages": CHAT[3:], **SPECIAL, "add_generation_prompt": False}))
    for name, template in TOOLS.items():
        cases.append(case(name, template, {"messages": CALL, "tools": [TOOL], **SPECIAL}))
        cases.append(case(name + ", without", template, {"messages": CHAT, "tools": [], "enable_thinking": False, **SPECIAL}))
    for i, template in enumerate(SNIPPETS):
        cases.append(case(f"snippet {i}", template, VARS))
    for i, (template, status) in enumerate(FAILING):
        cases.append(case(f"failing {i}", template, VARS, status=status))
    for folder in PUBLISHED if len(sys.argv) > 1 else []:
        with open(os.path.join(sys.argv[1], folder, "tokenizer_config.json")) as f:
            made = case(folder, json.load(f)["chat_template"], {"messages": CHAT, **SPECIAL})
        del made["template"]
        cases.append({**made, "file": folder + "/tokenizer_config.json"})
    print("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]")


main()
