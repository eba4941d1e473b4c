"""Words of the official templates that tell them apart."""

__all__ = ["CHATGLM3", "INTERNLM2", "LLAMA3", "QWEN2", "QWEN2_5", "R1_DISTILL"]

QWEN2 = "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}"
QWEN2_5 = r"{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>"
LLAMA3 = "{{- '<|start_header_id|>' + message['role'] }}"
INTERNLM2 = "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
R1_DISTILL = "{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{% if ns.is_tool %}{{'<｜tool▁outputs▁end｜>'}}{% endif %}"
CHATGLM3 = "{% if loop.first %}[gMASK]sop<|{{ message['role'] }}|>\n {{ message['content'] }}"
