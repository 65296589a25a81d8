"""What the database itself sees to: the ledger's permissions, marks of change, history of settings,
the capacity of a day, and what is in pickers' hands."""

from django.db import migrations

# The owner may give these rights back to itself; that and a superuser's edit are what the seal is
# for. Tests get TRUNCATE back, to empty their database.
PERMISSION = """
REVOKE UPDATE, DELETE, TRUNCATE ON inventory_stockmovement, inventory_ledgerseal,
       inventory_settinghistory FROM PUBLIC, CURRENT_USER;
CREATE TRIGGER seal_is_append_only BEFORE UPDATE OR DELETE ON inventory_ledgerseal
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_ledger_is_append_only();
"""
NO_PERMISSION = """
DROP TRIGGER seal_is_append_only ON inventory_ledgerseal;
GRANT UPDATE, DELETE, TRUNCATE ON inventory_stockmovement, inventory_ledgerseal,
      inventory_settinghistory TO CURRENT_USER;
"""

# A mark per product whose availability may have changed; orders/publishing.py takes them away.
MARKS = """
CREATE FUNCTION inventory_mark_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_stockchange (product_id) SELECT DISTINCT product_id FROM changed;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_new_stock AFTER INSERT ON inventory_stock REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_mark_stock();
CREATE TRIGGER mark_stock AFTER UPDATE ON inventory_stock REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_mark_stock();

CREATE FUNCTION inventory_mark_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'inventory_location' THEN
        INSERT INTO inventory_stockchange (product_id)
        SELECT product_id FROM inventory_stock WHERE location_id = NEW.id;
    ELSE
        INSERT INTO inventory_stockchange (product_id)
        SELECT product_id FROM inventory_stock
         WHERE location_id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.location_id END,
                               CASE WHEN TG_OP <> 'DELETE' THEN NEW.location_id END);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_place AFTER UPDATE ON inventory_location FOR EACH ROW
    WHEN ((OLD.active, OLD.online) IS DISTINCT FROM (NEW.active, NEW.online))
    EXECUTE FUNCTION inventory_mark_place();
CREATE TRIGGER mark_place AFTER INSERT OR UPDATE OR DELETE ON inventory_poollocation
    FOR EACH ROW EXECUTE FUNCTION inventory_mark_place();

CREATE FUNCTION inventory_mark_product() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_stockchange (product_id)
    VALUES (CASE WHEN TG_TABLE_NAME = 'inventory_product' THEN (to_jsonb(NEW) ->> 'id')::bigint
                 WHEN TG_OP = 'DELETE' THEN (to_jsonb(OLD) ->> 'product_id')::bigint
                 ELSE (to_jsonb(NEW) ->> 'product_id')::bigint END);
    RETURN NULL;
END $$;
CREATE TRIGGER mark_product AFTER UPDATE ON inventory_product FOR EACH ROW
    WHEN (OLD.active IS DISTINCT FROM NEW.active) EXECUTE FUNCTION inventory_mark_product();
CREATE TRIGGER mark_product AFTER INSERT OR UPDATE OR DELETE ON inventory_poolthreshold
    FOR EACH ROW EXECUTE FUNCTION inventory_mark_product();
-- Channels are yet to be told of what is there already.
INSERT INTO inventory_stockchange (product_id) SELECT DISTINCT product_id FROM inventory_stock;
"""
NO_MARKS = """
DROP TRIGGER mark_new_stock ON inventory_stock;
DROP TRIGGER mark_stock ON inventory_stock;
DROP TRIGGER mark_place ON inventory_location;
DROP TRIGGER mark_place ON inventory_poollocation;
DROP TRIGGER mark_product ON inventory_product;
DROP TRIGGER mark_product ON inventory_poolthreshold;
DROP FUNCTION inventory_mark_stock();
DROP FUNCTION inventory_mark_place();
DROP FUNCTION inventory_mark_product();
"""

# What a setting was before this migration, nobody knows any more: as it is now.
HISTORY = """
CREATE FUNCTION inventory_keep_setting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_settinghistory ("table", row_id, at, data)
    SELECT TG_TABLE_NAME, CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END,
           clock_timestamp(), CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END;
    RETURN NULL;
END $$;
CREATE FUNCTION inventory_keep_activity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_settinghistory ("table", row_id, at, data)
    VALUES (TG_TABLE_NAME, NEW.id, clock_timestamp(), jsonb_build_object('active', NEW.active));
    RETURN NULL;
END $$;
CREATE TRIGGER keep_new AFTER INSERT OR DELETE ON inventory_location FOR EACH ROW
    EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_changed AFTER UPDATE ON inventory_location FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_new AFTER INSERT OR DELETE ON inventory_poollocation FOR EACH ROW
    EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_changed AFTER UPDATE ON inventory_poollocation FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_new AFTER INSERT OR DELETE ON inventory_poolthreshold FOR EACH ROW
    EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_changed AFTER UPDATE ON inventory_poolthreshold FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION inventory_keep_setting();
CREATE TRIGGER keep_activity AFTER UPDATE ON inventory_product FOR EACH ROW
    WHEN (OLD.active IS DISTINCT FROM NEW.active) EXECUTE FUNCTION inventory_keep_activity();
CREATE INDEX setting_of_product ON inventory_settinghistory
    ("table", ((data ->> 'product_id')::bigint)) WHERE data ->> 'product_id' IS NOT NULL;
INSERT INTO inventory_settinghistory ("table", row_id, at, data)
SELECT 'inventory_location', id, 'epoch'::timestamptz, to_jsonb(l) FROM inventory_location l
 UNION ALL SELECT 'inventory_poollocation', id, 'epoch'::timestamptz, to_jsonb(m) FROM inventory_poollocation m;
"""
NO_HISTORY = """
DROP TRIGGER keep_new ON inventory_location;
DROP TRIGGER keep_changed ON inventory_location;
DROP TRIGGER keep_new ON inventory_poollocation;
DROP TRIGGER keep_changed ON inventory_poollocation;
DROP TRIGGER keep_new ON inventory_poolthreshold;
DROP TRIGGER keep_changed ON inventory_poolthreshold;
DROP TRIGGER keep_activity ON inventory_product;
DROP INDEX setting_of_product;
DROP FUNCTION inventory_keep_activity();
DROP FUNCTION inventory_keep_setting();
"""

# Who cuts a claim off a share of a hot sale changes neither the stock row nor the ledger.
HOT = """
CREATE FUNCTION inventory_keep_hot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_stockchange (product_id)
    SELECT CASE WHEN TG_OP = 'DELETE' THEN OLD.product_id ELSE NEW.product_id END;
    INSERT INTO inventory_settinghistory ("table", row_id, at, data)
    SELECT TG_TABLE_NAME, CASE WHEN TG_OP = 'DELETE' THEN OLD.id ELSE NEW.id END,
           clock_timestamp(),
           CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_object('product_id', NEW.product_id,
               'location_id', NEW.location_id, 'units', NEW.quantity) END;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_new_hot AFTER INSERT OR UPDATE ON inventory_reservation FOR EACH ROW
    WHEN (NEW.owner_type = 'hot') EXECUTE FUNCTION inventory_keep_hot();
CREATE TRIGGER keep_hot_gone AFTER DELETE ON inventory_reservation FOR EACH ROW
    WHEN (OLD.owner_type = 'hot') EXECUTE FUNCTION inventory_keep_hot();
"""
NO_HOT = """
DROP TRIGGER keep_new_hot ON inventory_reservation;
DROP TRIGGER keep_hot_gone ON inventory_reservation;
DROP FUNCTION inventory_keep_hot();
"""

# The most exact row counts: weekday and method, then weekday, then method, then neither, then the
# stock point's own figure, which counts parcels and so says nothing of pick-ups. A row for any
# method is shared by those that have no more exact one. It returns a set, so that the planner
# takes the query in place of the call.
CAPACITY = """
CREATE FUNCTION inventory_capacity_of(place bigint, day date, method text)
RETURNS TABLE (orders integer, units integer, shared boolean) LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN c.exact IS NOT NULL THEN c.orders
                WHEN method = 'ship' THEN l.capacity_per_day END,
           c.units,
           coalesce(c.delivery = '', false) AND NOT EXISTS (
               SELECT 1 FROM inventory_capacity o
                WHERE o.location_id = place AND o.delivery NOT IN ('', method)
                  AND (o.weekday IS NULL OR o.weekday = extract(isodow FROM day) - 1)
                  AND 2 * (o.weekday IS NOT NULL)::int + 1 > c.exact)
      FROM inventory_location l
      LEFT JOIN LATERAL (
           SELECT r.orders, r.units, r.delivery,
                  2 * (r.weekday IS NOT NULL)::int + (r.delivery <> '')::int AS exact
             FROM inventory_capacity r
            WHERE r.location_id = place AND r.delivery IN ('', method)
              AND (r.weekday IS NULL OR r.weekday = extract(isodow FROM day) - 1)
            ORDER BY exact DESC LIMIT 1) AS c ON true
     WHERE l.id = place
$$;
"""
NO_CAPACITY = "DROP FUNCTION inventory_capacity_of(bigint, date, text);"

# What pickers have in hand, as of any moment since the oldest open count (inventory/counts).
SHELF = """
CREATE FUNCTION inventory_note_shelf() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    units integer := 0;
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.off_shelf THEN units := units - OLD.quantity; END IF;
    IF TG_OP <> 'DELETE' AND NEW.off_shelf THEN units := units + NEW.quantity; END IF;
    IF units <> 0 THEN
        INSERT INTO inventory_shelfmove (product_id, location_id, units, at)
        SELECT CASE WHEN TG_OP = 'INSERT' THEN NEW.product_id ELSE OLD.product_id END,
               CASE WHEN TG_OP = 'INSERT' THEN NEW.location_id ELSE OLD.location_id END,
               units, clock_timestamp();
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_shelf_new AFTER INSERT ON inventory_reservation FOR EACH ROW
    WHEN (NEW.off_shelf) EXECUTE FUNCTION inventory_note_shelf();
CREATE TRIGGER note_shelf AFTER UPDATE ON inventory_reservation FOR EACH ROW
    WHEN (OLD.off_shelf OR NEW.off_shelf) EXECUTE FUNCTION inventory_note_shelf();
CREATE TRIGGER note_shelf_gone AFTER DELETE ON inventory_reservation FOR EACH ROW
    WHEN (OLD.off_shelf) EXECUTE FUNCTION inventory_note_shelf();
"""
NO_SHELF = """
DROP TRIGGER note_shelf_new ON inventory_reservation;
DROP TRIGGER note_shelf ON inventory_reservation;
DROP TRIGGER note_shelf_gone ON inventory_reservation;
DROP FUNCTION inventory_note_shelf();
"""


class Migration(migrations.Migration):
    dependencies = [("inventory", "0003_one_view_of_stock")]
    operations = [
        migrations.RunSQL(PERMISSION, NO_PERMISSION),
        migrations.RunSQL(MARKS, NO_MARKS),
        migrations.RunSQL(HISTORY, NO_HISTORY),
        migrations.RunSQL(HOT, NO_HOT),
        migrations.RunSQL(CAPACITY, NO_CAPACITY),
        migrations.RunSQL(SHELF, NO_SHELF),
    ]
