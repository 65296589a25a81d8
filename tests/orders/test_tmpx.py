import time, resource
from tests.orders.test_imports import *
from tests.orders.test_imports import shop
def test_x(console, shop):
    rows = rows_of(EXPORT)
    one=[r for r in rows if r["Name"] in("#1101","#1103")]
    def change(rs):
        rs.clear()
        for i in range(12000):
            for r in one:
                q=dict(r); q["Name"]=f"{r['Name']}-{i}"
                if q["Id"]: q["Id"]=str(int(q["Id"])*100000+i)
                rs.append(q)
    c=samples.table(change)
    print(len(c)/1e6, "MB")
    t=time.time()
    post(console,"orders",c,channel="web"); work()
    job=Job.objects.latest("pk"); job.refresh_from_db()
    print(job.state, job.total, job.failed, job.message, time.time()-t, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    print(job.rows.filter(outcome="failed").first())
    t=time.time()
    from django.db import connection
    from config import jobs
    jobs.accept(job)
    last=0
    jobs.TURN_SECONDS=1e9
    for i in range(50): last=jobs._batch(job, after=last)
    print("per order", (time.time()-t)/50)
