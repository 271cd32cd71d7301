"""The four APIs emulated on loopback, in a process of their own: for rehearsal, tests and benchmarks.

    calls.py         what a request and an answer are · drf.py  Django REST framework's manners
    settings.py      what a sandbox is set to, and its command line options
    conditions.py    rates, latency and faults, as an option's text names them
    world.py         all that a sandbox holds, made from its settings · prefill.py  rows the targets begin with
    server.py        HTTP, routing, and the order of limit, fault, answer, delay
    limits.py        strict sliding windows · faults.py  what goes wrong, and when · record.py  what was counted
    generate.py      a shop's orders · timeline.py  when they were made · shop_time.py  how dates are written
    products.py, places.py, words.py   what they are made of
    merchantpro.py   orders of the shop that is left, on order_store.py and templates.py
    external_order.py   orders of the shop that is moved to, on external_check.py and external_store.py;
                     references.py  its look-up lists
    robosize.py      the sizing service: orders and products, on robosize_store.py
    control.py       /_sandbox/: what is stored, what was counted, faults · changes.py  what others do to a list
    process.py       starts a sandbox in its own process, and reads its control endpoints

It shares no code with the clients that it is there to test: an assumption made twice would prove itself.
"""
