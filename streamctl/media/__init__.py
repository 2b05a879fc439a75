"""Sans-IO media formats shared by several protocols: bytes in, values out."""
