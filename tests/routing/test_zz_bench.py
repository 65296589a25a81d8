import os, time
from django.db import connection
from tests.routing import scenes
from tests.routing.test_decide import more_points, limit
from routing import decide, engine, kept, snapshot
from inventory.models import PoolLocation, Stock
import cProfile, pstats

def pg(pid):
    f=open(f"/proc/{pid}/stat").read().rsplit(")",1)[1].split()
    return (int(f[11])+int(f[12]))/os.sysconf("SC_CLK_TCK")

def run(company, moves, n=150):
    if moves: scenes.prefer_central()
    else:
        from routing.models import RuleSet; RuleSet.objects.update(central_bonus=0.5)
    orders=[company.place(("TEE",1),("MUG",1),("TEE",2)) for _ in range(n)]
    with connection.cursor() as c:
        c.execute("ANALYZE"); c.execute("select pg_backend_pid()"); pid=c.fetchone()[0]
    for o in orders[:10]: scenes.route(o)
    a=time.process_time(); p=pg(pid); w=time.perf_counter()
    for o in orders[10:]: scenes.route(o)
    m=n-10
    print("moves",moves,"app",(time.process_time()-a)/m*1e3,"pg",(pg(pid)-p)/m*1e3,"wall",(time.perf_counter()-w)/m*1e3)

def test_bench(live_company):
    more_points(live_company, 46)
    scenes.bring(live_company,"TEE","LYON",5000); scenes.bring(live_company,"MUG","LYON",5000)
    scenes.bring(live_company,"TEE","WH",5000); scenes.bring(live_company,"MUG","WH",5000)
    for x in ("LYON","WH","PARIS"): limit(live_company,x,5000)
    run(live_company, False); run(live_company, True)
    orders=[live_company.place(("TEE",1),("MUG",1),("TEE",2)) for _ in range(60)]
    from routing.models import RuleSet; RuleSet.objects.update(central_bonus=90); pr=cProfile.Profile(time.process_time); pr.enable()
    for o in orders: scenes.route(o)
    pr.disable()
    pstats.Stats(pr).sort_stats("tottime").print_stats(30); pstats.Stats(pr).sort_stats("cumtime").print_stats(60)
    import statistics, collections
    times=collections.defaultdict(list)
    def wrap(execute, sql, params, many, context):
        a=time.perf_counter(); r=execute(sql, params, many, context); times[str(sql).strip()[:60]].append(time.perf_counter()-a); return r
    for mv in (0.5, 90):
        RuleSet.objects.update(central_bonus=mv)
        times.clear()
        orders=[live_company.place(("TEE",1),("MUG",1),("TEE",2)) for _ in range(40)]
        with connection.execute_wrapper(wrap):
            for o in orders: scenes.route(o)
        print("--- statements, ms wall: p10", mv)
        for k,v in times.items(): print(len(v), round(sorted(v)[len(v)//10]*1e3,3), k.replace(chr(10)," "))
    from orders import lifecycle
    from django.db import transaction
    o=live_company.place(("TEE",1),("MUG",1),("TEE",2))
    from django.utils import timezone
    shot=snapshot.take(o, now=timezone.now()); i=shot.inputs(shot.waiting)
    t=[]
    for _ in range(200):
        a=time.perf_counter(); d=i.route(); b=time.perf_counter(); engine.to_json(d); c=time.perf_counter(); i.to_json(); e=time.perf_counter(); snapshot.take(o, now=timezone.now()); f=time.perf_counter(); shot.inputs(shot.waiting); g=time.perf_counter()
        t.append((b-a,c-b,e-c,f-e,g-f))
    print("route,to_json,inputs json,take,inputs", [round(statistics.median(x)*1e3,3) for x in zip(*t)])
    with connection.cursor() as c:
        c.execute("EXPLAIN (ANALYZE, BUFFERS) "+snapshot._SNAPSHOT, {"order":o.pk,"channel":o.channel_id,"now":timezone.now(),"only":None})
        print("\n".join(r[0] for r in c.fetchall()))
    assert 0
